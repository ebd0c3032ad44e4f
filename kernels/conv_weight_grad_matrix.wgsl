// Gradient of a convolution with respect to its weight, on tensor cores (common/matrix.wgsl)
//
//   out[s, o, i, ky, kx] = sum over n, y, x of gy[n, o, y, x] * x[n, i, y*stride - pad + ky, x*stride - pad + kx]
//
//   x    [batch, I, h, w]
//   gy   [batch, O, oh, ow]
//   out  [parts, O, I, kh, kw]   part s sums lines s*part_lines and on, of batch * oh in all
//
// A product of gy [O, pixels] and the patches of x [pixels, I*kh*kw], where pixels run over the lines
// of a part; the patches exist in tiles only. One workgroup per ROWS x COLUMNS block and part. Both
// are rounded to f16. A_ALONG_K = B_ALONG_K = 1.

struct Params {
  batch: u32, I: u32, h: u32, w: u32, O: u32, oh: u32, ow: u32,
  kh: u32, kw: u32, stride: u32, pad: u32, part_lines: u32,
}

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       gy: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

/// Of each column of the block: how far behind the first tap in channel 0 it lies, and its tap.
struct Column { offset: u32, ky: u32, kx: u32 }
var<workgroup> taps_of: array<Column, COLUMNS>;

/// Of each pixel of a step: where it lies in channel 0 of gy, and where in x its first tap lies, with
/// that tap's row and column there.
struct Pixel { gy: u32, x: u32, row: u32, column: u32 }
var<workgroup> pixels: array<Pixel, DEPTH>;

fn columns_in_all() -> u32 { return p.I * p.kh * p.kw; }

fn column_at(number: u32) -> Column {
  let column = min(number, columns_in_all() - 1u);
  let taps = p.kh * p.kw;
  let ky = column % taps / p.kw;
  let kx = column % p.kw;
  return Column((column / taps * p.h + ky) * p.w + kx, ky, kx);
}

fn pixel_at(number: u32) -> Pixel {
  let n = number / (p.oh * p.ow);
  let oy = number / p.ow % p.oh;
  let ox = number % p.ow;
  let row = oy * p.stride - p.pad;
  let column = ox * p.stride - p.pad;
  return Pixel(
    (n * p.O * p.oh + oy) * p.ow + ox, (n * p.I * p.h + row) * p.w + column, row, column,
  );
}

/// Fills a slot of tile_a, with zeros unless its pixel belongs to the part.
fn fill_gradients(slot: Slot, group: vec3<u32>, belongs: bool) {
  let rows = min(group.y * ROWS + slot.line, vec4<u32>(p.O - 1u));
  let at = pixels[slot.k.x].gy + rows * (p.oh * p.ow);
  let v = vec4<f32>(load_gy(at.x), load_gy(at.y), load_gy(at.z), load_gy(at.w));
  tile_a[slot.at] = quad_of(select(vec4<f32>(), v, belongs));
}

fn fill_patches(slot: Slot, belongs: bool) {
  let pixel = pixels[slot.k.x];
  tile_b[slot.at] = quad_of(vec4<f32>(
    seen(pixel, taps_of[slot.line.x], belongs), seen(pixel, taps_of[slot.line.y], belongs),
    seen(pixel, taps_of[slot.line.z], belongs), seen(pixel, taps_of[slot.line.w], belongs),
  ));
}

/// The element of a patch, 0 outside.
fn seen(pixel: Pixel, column: Column, belongs: bool) -> f32 {
  let inside = pixel.row + column.ky < p.h && pixel.column + column.kx < p.w;
  return select(0.0, load_x(pixel.x + column.offset), inside && belongs);
}

fn put(group: vec3<u32>, row: u32, column: u32, value: f32) {
  let o = group.y * ROWS + row;
  let at = group.x * COLUMNS + column;
  if (o >= p.O || at >= columns_in_all()) { return; }
  let to = (group.z * p.O + o) * columns_in_all() + at;
  out[to] = epilogue(value, to);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let first = group.z * p.part_lines * p.ow;
  let end = min(first + p.part_lines * p.ow, p.batch * p.oh * p.ow);
  for (var i = thread; i < COLUMNS; i += THREADS) { taps_of[i] = column_at(group.x * COLUMNS + i); }

  var sums: Block;
  for (var start = first; start < end; start += DEPTH) {
    for (var i = thread; i < DEPTH; i += THREADS) { pixels[i] = pixel_at(start + i); }
    workgroupBarrier();
    for (var i = thread; i < DEPTH * ROWS / 4u; i += THREADS) {
      let slot = slot_of_a(i);
      fill_gradients(slot, group, start + slot.k.x < end);
    }
    for (var i = thread; i < DEPTH * COLUMNS / 4u; i += THREADS) {
      let slot = slot_of_b(i);
      fill_patches(slot, start + slot.k.x < end);
    }
    workgroupBarrier();
    multiply_tiles(&sums, thread, 0u);
  }
  write_block(&sums, thread, group);
}
