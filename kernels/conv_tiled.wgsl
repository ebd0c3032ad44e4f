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
// patches exist in tiles only. One workgroup per 64 channels of 64 pixels of one phase.
// Constants: TRANSPOSED, ROW_GROUPS workgroups in a row of the grid.

struct Params {
  batch: u32, I: u32, h: u32, w: u32, O: u32, oh: u32, ow: u32,
  kh: u32, kw: u32, stride: u32, pad: u32,
}

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       w: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

const FOUR = vec4<u32>(0u, 1u, 2u, 3u);

/// Output pixels of a phase, four at a time, by their number in the batch.
struct Pixels { n: vec4<u32>, y: vec4<u32>, x: vec4<u32> }

fn pixels_at(number: vec4<u32>, vertical: Axis, across: Axis) -> Pixels {
  let height = (p.oh + vertical.every - 1u) / vertical.every;
  let width = (p.ow + across.every - 1u) / across.every;
  return Pixels(number / (height * width), number / width % height, number % width);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  // Along z, phases within blocks of channels.
  let phases = select(1u, p.stride, TRANSPOSED == 1u);
  let block = group.z / (phases * phases) * 64u;
  let vertical = axis(group.z / phases % phases, p.kh, p.stride, p.pad);
  let across = axis(group.z % phases, p.kw, p.stride, p.pad);
  let first_pixel = (group.y * ROW_GROUPS + group.x) * 64u;

  // This thread gathers patches of the same four pixels for every k. Pixels beyond the last one read
  // outside the buffer, which WebGPU answers with some value, and are not stored.
  let gathered = pixels_at(
    first_pixel + 4u * slot_across(thread, 0u).quad + FOUR, vertical, across,
  );
  let y = gathered.y * vertical.hop + vertical.start;
  let column = gathered.x * across.hop + across.start;
  let origin = (gathered.n * p.I * p.h + y) * p.w + column;

  let taps = p.kh * p.kw;
  let channel_step = select(p.I * taps, taps, TRANSPOSED == 1u);
  let input_step = select(taps, p.O * taps, TRANSPOSED == 1u);
  let phase_taps = vertical.taps * across.taps;
  let length = p.I * phase_taps;

  for (var start = 0u; start < length; start += DEPTH) {
    for (var half = 0u; half < 2u; half++) {
      let from_w = slot_along_k(thread, half);
      let kw = start + from_w.k;
      let tap = kw % phase_taps;
      let channels = min(block + 4u * from_w.quad + FOUR, vec4<u32>(p.O - 1u)) * channel_step +
        kw / phase_taps * input_step +
        (vertical.tap + tap / across.taps * vertical.next) * p.kw +
        across.tap + tap % across.taps * across.next;
      var weights = vec4<f32>();
      if (kw < length) {
        weights = vec4<f32>(
          load_w(channels.x), load_w(channels.y), load_w(channels.z), load_w(channels.w),
        );
      }
      tile_a[16u * from_w.k + from_w.quad] = weights;

      let from_x = slot_across(thread, half);
      let kx = start + from_x.k;
      let dy = kx % phase_taps / across.taps;
      let dx = kx % across.taps;
      let at = origin + (kx / phase_taps * p.h + dy) * p.w + dx;
      let inside = (y + dy < vec4<u32>(p.h)) & (column + dx < vec4<u32>(p.w)) &
        vec4<bool>(kx < length);
      let values = vec4<f32>(load_x(at.x), load_x(at.y), load_x(at.z), load_x(at.w));
      tile_b[16u * from_x.k + from_x.quad] = select(vec4<f32>(), values, inside);
    }
    multiply_tiles(thread);
  }

  var sums = c; // a copy, as indexing c itself would keep it in memory all along
  for (var i = 0u; i < 16u; i++) {
    let o = block + row_of(thread, i);
    let stored = pixels_at(first_pixel + columns_of(thread, i), vertical, across);
    let oy = stored.y * vertical.every + vertical.first;
    let ox = stored.x * across.every + across.first;
    let at = ((stored.n * p.O + o) * p.oh + oy) * p.ow + ox;
    for (var j = 0u; j < 4u; j++) {
      if (o < p.O && stored.n[j] < p.batch && oy[j] < p.oh && ox[j] < p.ow) {
        out[at[j]] = epilogue(sums[i / 4u][i % 4u][j], at[j]);
      }
    }
  }
}
