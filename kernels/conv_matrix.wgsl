// Convolution or its transpose, on tensor cores (common/matrix.wgsl)
//
//   out[n, o, y, x] = sum over i, ky, kx of x[n, i, y*stride - pad + ky, x*stride - pad + kx] * w[o, i, ky, kx]
//
//   x    [batch, I, h, w]
//   w    [O, I, kh, kw] or, for the transpose, [I, O, kh, kw]
//   out  [batch, O, oh, ow]
//
// common/conv_axis.wgsl tells how the transpose becomes such a sum. For each tap a product of w [O, I]
// and the pixels [I, pixels] that it meets, where pixels run over the whole batch. One workgroup per
// ROWS channels of COLUMNS pixels of one phase. It takes DEPTH input channels at a time: the weights
// of all taps at once, as they lie side by side, and then the pixels tap by tap. Both are rounded to
// f16. Constants: TRANSPOSED, which is also how w lies (A_ALONG_K = 1 - TRANSPOSED, B_ALONG_K = 0);
// TAPS = kh * kw = TILES_A; DEPTH; ROW_GROUPS workgroups in a row of the grid.

struct Params {
  batch: u32, I: u32, h: u32, w: u32, O: u32, oh: u32, ow: u32,
  kh: u32, kw: u32, stride: u32, pad: u32,
}

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       w: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

/// Of each pixel of the block: where in x its first tap lies, in channel 0, and that tap's row and
/// column there; where in channel 0 of out it is stored, or NOWHERE.
var<workgroup> pixels: array<vec4<u32>, COLUMNS>;

const NOWHERE = 0xffffffffu;

fn pixel_at(number: u32, vertical: Axis, across: Axis) -> vec4<u32> {
  let height = (p.oh + vertical.every - 1u) / vertical.every;
  let width = (p.ow + across.every - 1u) / across.every;
  let n = number / (height * width);
  let v = number / width % height;
  let u = number % width;
  let y = v * vertical.hop + vertical.start;
  let column = u * across.hop + across.start;
  let oy = v * vertical.every + vertical.first;
  let ox = u * across.every + across.first;
  let to = (n * p.O * p.oh + oy) * p.ow + ox;
  let stored = n < p.batch && oy < p.oh && ox < p.ow;
  return vec4<u32>((n * p.I * p.h + y) * p.w + column, y, column, select(NOWHERE, to, stored));
}

/// Fills vector `i` of DEPTH * ROWS * TAPS / 4 of the weights from channel `first` on. Rows beyond the
/// last one get some value or other, and are not stored.
fn fill_weights(i: u32, block: u32, first: u32) {
  // Along a row of w if it begins with the output channel, or else along the output channels.
  let length = TAPS * select(DEPTH, ROWS, TRANSPOSED == 1u);
  let along = i % length;
  let quad = i / length;
  var channel = vec4<u32>(first + along / TAPS);
  var at = (block + 4u * quad + FOUR) * (p.I * TAPS) + first * TAPS + along;
  if (TRANSPOSED == 1u) {
    channel = first + 4u * quad + FOUR;
    at = channel * (p.O * TAPS) + block * TAPS + along;
  }
  let v = vec4<f32>(load_w(at.x), load_w(at.y), load_w(at.z), load_w(at.w));
  tile_a[along % TAPS * SIZE_A + along / TAPS * PITCH_A + quad] =
    quad_of(select(vec4<f32>(), v, channel < vec4<u32>(p.I)));
}

/// Fills a slot of tile_b with what tap (dy, dx) meets in channels from `first` on.
fn fill_pixels(slot: Slot, dy: u32, dx: u32, first: u32) {
  let pixel = pixels[slot.line.x];
  let channel = first + slot.k;
  let at = pixel.x + dy * p.w + dx + channel * (p.h * p.w);
  let v = vec4<f32>(load_x(at.x), load_x(at.y), load_x(at.z), load_x(at.w));
  let inside = pixel.y + dy < p.h && pixel.z + dx < p.w;
  tile_b[slot.at] = quad_of(
    select(vec4<f32>(), v, channel < vec4<u32>(select(0u, p.I, inside))),
  );
}

/// Along z of the grid, phases within blocks of channels.
fn phases() -> u32 { return select(1u, p.stride, TRANSPOSED == 1u); }

fn first_channel(group: vec3<u32>) -> u32 { return group.z / (phases() * phases()) * ROWS; }

fn put(group: vec3<u32>, row: u32, column: u32, value: f32) {
  let o = first_channel(group) + row;
  let to = pixels[column].w;
  if (o >= p.O || to == NOWHERE) { return; }
  let at = to + o * (p.oh * p.ow);
  out[at] = epilogue(value, at);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let block = first_channel(group);
  let vertical = axis(group.z / phases() % phases(), p.kh, p.stride, p.pad);
  let across = axis(group.z % phases(), p.kw, p.stride, p.pad);
  let first_pixel = (group.y * ROW_GROUPS + group.x) * COLUMNS;
  for (var i = thread; i < COLUMNS; i += THREADS) {
    pixels[i] = pixel_at(first_pixel + i, vertical, across);
  }
  workgroupBarrier();

  var sums: Block;
  for (var first = 0u; first < p.I; first += DEPTH) {
    for (var i = thread; i < DEPTH * ROWS * TAPS / 4u; i += THREADS) {
      fill_weights(i, block, first);
    }
    for (var dy = 0u; dy < vertical.taps; dy++) {
      for (var dx = 0u; dx < across.taps; dx++) {
        for (var i = thread; i < DEPTH * COLUMNS / 4u; i += THREADS) {
          fill_pixels(slot_of_b(i), dy, dx, first);
        }
        workgroupBarrier();
        let tap = (vertical.tap + dy * vertical.next) * p.kw + across.tap + dx * across.next;
        multiply_tiles(&sums, thread, tap);
        workgroupBarrier();
      }
    }
  }
  write_block(&sums, thread, group);
}
