// Convolution or its transpose, for GPUs (common/tile.wgsl)
//
//   out[n, o, y, x] = sum over i, ky, kx of x[n, i, y*stride - pad + ky, x*stride - pad + kx] * w[o, i, ky, kx]
//
//   x    [batch, I, h, w]
//   w    [O, I, kh, kw] or, for the transpose, [I, O, kh, kw]
//   out  [batch, O, oh, ow]
//
// common/conv_axis.wgsl tells how the transpose becomes such a sum. A product of w [O, k] and the
// patches of x [k, pixels], where k runs over (i, ky, kx) and pixels over the whole batch; the
// patches exist in tiles only. One workgroup per ROWS channels of COLUMNS pixels of one phase.
// Constants: TRANSPOSED, ROW_GROUPS workgroups in a row of the grid, and those of the tiles.

struct Params {
  batch: u32, I: u32, h: u32, w: u32, O: u32, oh: u32, ow: u32,
  kh: u32, kw: u32, stride: u32, pad: u32,
}

// Patches are seldom aligned, and weights and pixels are contiguous along the sum.
const A_AT_ONCE = 1u;
const B_AT_ONCE = 1u;

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       w: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

/// A step of the sum.
struct Tap { i: u32, y: u32, x: u32 }

/// The tap `by` after `tap`, of `height` x `width` of each channel; no divisions, as this is in the loop.
fn later(tap: Tap, by: Tap, height: u32, width: u32) -> Tap {
  var x = tap.x + by.x;
  var y = tap.y + by.y;
  var i = tap.i + by.i;
  if (x >= width) { x -= width; y++; }
  if (y >= height) { y -= height; i++; }
  return Tap(i, y, x);
}

/// Output pixels of a phase, four at a time, by their number in the batch.
struct Pixels { n: vec4<u32>, y: vec4<u32>, x: vec4<u32> }

fn pixels_at(number: vec4<u32>, vertical: Axis, across: Axis) -> Pixels {
  let height = (p.oh + vertical.every - 1u) / vertical.every;
  let width = (p.ow + across.every - 1u) / across.every;
  return Pixels(number / (height * width), number / width % height, number % width);
}

/// Weights of four channels at step k, which is `tap`; beyond the last some are loaded all the same, as
/// x is zero there.
fn fetch_w(channels: vec4<u32>, k: u32, tap: Tap, vertical: Axis, across: Axis) -> vec4<f32> {
  let taps = p.kh * p.kw;
  var step = min(k, p.I * taps - 1u);
  if (TRANSPOSED == 1u) {
    step = min(tap.i, p.I - 1u) * taps * p.O + tap.y * vertical.next * p.kw + tap.x * across.next;
  }
  let i = channels + step;
  return vec4<f32>(load_w(i.x), load_w(i.y), load_w(i.z), load_w(i.w));
}

/// What four outputs meet at a tap. Those beyond the last read outside the buffer, which WebGPU
/// answers with some value, and are not stored.
fn fetch_x(corner: Pixels, tap: Tap) -> vec4<f32> {
  let i = corner.n + (tap.i * p.h + tap.y) * p.w + tap.x;
  let inside = (corner.y + tap.y < vec4<u32>(p.h)) & (corner.x + tap.x < vec4<u32>(p.w)) &
    vec4<bool>(tap.i < p.I);
  let values = vec4<f32>(load_x(i.x), load_x(i.y), load_x(i.z), load_x(i.w));
  return select(vec4<f32>(), values, inside);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  // Along z, phases within blocks of channels.
  let phases = select(1u, p.stride, TRANSPOSED == 1u);
  let first_channel = group.z / (phases * phases) * ROWS;
  let vertical = axis(group.z / phases % phases, p.kh, p.stride, p.pad);
  let across = axis(group.z % phases, p.kw, p.stride, p.pad);
  let first_pixel = (group.y * ROW_GROUPS + group.x) * COLUMNS;

  // This thread fetches weights of the same four channels, and patches of the same four pixels, all
  // along. Neighbours take neighbouring taps, and neighbouring pixels.
  let in_w = slot_of(thread, A_QUADS, true);
  let taps = p.kh * p.kw;
  let channel_step = taps * select(p.I, 1u, TRANSPOSED == 1u);
  let channel = min(first_channel + rows_of(in_w.quad), vec4<u32>(p.O - 1u));
  let channels = channel * channel_step + vertical.tap * p.kw + across.tap;

  let in_x = slot_of(thread, B_QUADS, false);
  let gathered = pixels_at(first_pixel + columns_of(in_x.quad), vertical, across);
  let y = gathered.y * vertical.hop + vertical.start;
  let x_at = gathered.x * across.hop + across.start;
  let corner = Pixels((gathered.n * p.I * p.h + y) * p.w + x_at, y, x_at);

  let height = vertical.taps;
  let width = across.taps;
  let turn = tap_at(TURN, height, width);
  var w_tap = tap_at(in_w.k, height, width);
  var x_tap = tap_at(in_x.k, height, width);
  let at = place_of(thread);
  let first_w = fetch_w(channels, in_w.k, w_tap, vertical, across);
  keep(at.half, in_w, first_w, in_x, fetch_x(corner, x_tap));
  var half = 0u;
  for (var k = TURN; k < p.I * height * width + TURN; k += TURN) {
    workgroupBarrier();
    w_tap = later(w_tap, turn, height, width);
    x_tap = later(x_tap, turn, height, width);
    let next_w = fetch_w(channels, k + in_w.k, w_tap, vertical, across);
    let next_x = fetch_x(corner, x_tap);
    multiply(at.half + half, at);
    half = 1u - half;
    keep(at.half + half, in_w, next_w, in_x, next_x);
  }

  add_slices(thread);
  if (thread >= SLICE) { return; }
  var sums = c; // a copy, as indexing c itself would keep it in memory all along
  for (var i = 0u; i < LINES; i++) {
    let o = first_channel + line_row(at, i);
    let stored = pixels_at(first_pixel + line_columns(at, i), vertical, across);
    let oy = stored.y * vertical.every + vertical.first;
    let ox = stored.x * across.every + across.first;
    let to = ((stored.n * p.O + o) * p.oh + oy) * p.ow + ox;
    for (var j = 0u; j < 4u; j++) {
      if (o < p.O && stored.n[j] < p.batch && oy[j] < p.oh && ox[j] < p.ow) {
        out[to[j]] = epilogue(sums[i / 4u][i % 4u][j], to[j]);
      }
    }
  }
}

/// Number k of the taps.
fn tap_at(k: u32, height: u32, width: u32) -> Tap {
  return Tap(k / (height * width), k / width % height, k % width);
}
