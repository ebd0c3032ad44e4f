// Gradient of a convolution with respect to its weight, for GPUs (common/tile.wgsl)
//
//   out[s, o, i, ky, kx] = sum over n, y, x of gy[n, o, y, x] * x[n, i, y*stride - pad + ky, x*stride - pad + kx]
//
//   x    [batch, I, h, w]
//   gy   [batch, O, oh, ow]
//   out  [parts, O, I, kh, kw]   part s sums lines s*part_lines and on, of batch * oh in all
//
// A product of gy [O, pixels] and the patches of x [pixels, I*kh*kw], where pixels run over the lines
// of a part; the patches exist in tiles only. One workgroup per ROWS x COLUMNS block and part.
// Constants: those of the tiles.

struct Params {
  batch: u32, I: u32, h: u32, w: u32, O: u32, oh: u32, ow: u32,
  kh: u32, kw: u32, stride: u32, pad: u32, part_lines: u32,
}

// Patches are seldom aligned, and weights and pixels are contiguous along the sum.
const A_AT_ONCE = 1u;
const B_AT_ONCE = 1u;

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       gy: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

/// A step of the sum: where in gy it is, and its number.
struct Pixel { number: u32, n: u32, y: u32, x: u32 }

/// The pixel a turn after `pixel`; no divisions, as this is in the loop.
fn later(pixel: Pixel) -> Pixel {
  var n = pixel.n;
  var y = pixel.y;
  var x = pixel.x + TURN;
  while (x >= p.ow) { x -= p.ow; y++; }
  while (y >= p.oh) { y -= p.oh; n++; }
  return Pixel(pixel.number + TURN, n, y, x);
}

/// Gradients of four channels; beyond the end of a part there are some all the same, as x is zero.
fn fetch_gy(channels: vec4<u32>, pixel: Pixel) -> vec4<f32> {
  let last = p.batch * p.O * p.oh * p.ow - 1u;
  let i = channels + min((pixel.n * p.O * p.oh + pixel.y) * p.ow + pixel.x, last);
  return vec4<f32>(load_gy(i.x), load_gy(i.y), load_gy(i.z), load_gy(i.w));
}

/// What four columns, with their distances in memory and in the image, see at a pixel.
fn fetch_x(far: vec4<u32>, down: vec4<u32>, right: vec4<u32>, pixel: Pixel, end: u32) -> vec4<f32> {
  let y = pixel.y * p.stride;
  let x_at = pixel.x * p.stride;
  let i = far + (pixel.n * p.I * p.h + y) * p.w + x_at;
  let inside = (y + down < vec4<u32>(p.h)) & (x_at + right < vec4<u32>(p.w)) &
    vec4<bool>(pixel.number < end);
  let values = vec4<f32>(load_x(i.x), load_x(i.y), load_x(i.z), load_x(i.w));
  return select(vec4<f32>(), values, inside);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  // Neighbouring threads take neighbouring pixels: those are contiguous in both operands.
  let in_gy = slot_of(thread, A_QUADS, true);
  let channels = p.oh * p.ow *
    min(group.y * ROWS + rows_of(in_gy.quad), vec4<u32>(p.O - 1u));

  let in_x = slot_of(thread, B_QUADS, true);
  let taps = p.kh * p.kw;
  let columns = p.I * taps;
  let column = min(group.x * COLUMNS + columns_of(in_x.quad), vec4<u32>(columns - 1u));
  let down = column % taps / p.kw - p.pad;
  let right = column % p.kw - p.pad;
  let far = (column / taps * p.h + down) * p.w + right;

  let lines = group.z * p.part_lines;
  let end = min(lines + p.part_lines, p.batch * p.oh) * p.ow;
  let first = lines * p.ow + in_x.k; // as in_gy.k
  var pixel = Pixel(first, first / (p.oh * p.ow), first / p.ow % p.oh, first % p.ow);
  let at = place_of(thread);
  keep(at.half, in_gy, fetch_gy(channels, pixel), in_x, fetch_x(far, down, right, pixel, end));
  var half = 0u;
  for (var k = lines * p.ow; k < end; k += TURN) {
    workgroupBarrier();
    pixel = later(pixel);
    let next_gy = fetch_gy(channels, pixel);
    let next_x = fetch_x(far, down, right, pixel, end);
    multiply(at.half + half, at);
    half = 1u - half;
    keep(at.half + half, in_gy, next_gy, in_x, next_x);
  }

  add_slices(thread);
  if (thread >= SLICE) { return; }
  var sums = c; // a copy, as indexing c itself would keep it in memory all along
  for (var i = 0u; i < LINES; i++) {
    let o = group.y * ROWS + line_row(at, i);
    let to = group.x * COLUMNS + line_columns(at, i);
    let row = (group.z * p.O + o) * columns;
    for (var j = 0u; j < 4u; j++) {
      if (o < p.O && to[j] < columns) {
        out[row + to[j]] = epilogue(sums[i / 4u][i % 4u][j], row + to[j]);
      }
    }
  }
}
