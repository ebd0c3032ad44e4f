// Convolution or its transpose, for software adapters (common/lanes.wgsl)
//
//   out[n, o, y, x] = sum over i, ky, kx of x[n, i, y*stride - pad + ky, x*stride - pad + kx] * w[o, i, ky, kx]
//
//   x    [batch, I, h, w]
//   w    [O, I, kh, kw] or, for the transpose, [I, O, kh, kw]
//   out  [batch, O, oh, ow]
//
// common/conv_axis.wgsl tells how the transpose becomes such a sum. One workgroup of LANES threads
// per 16 output channels of 8 runs; a run is RUN outputs in a row of the image, in one phase, and
// belongs to one thread. The threads share the weights, each loading those of two channels.
// Constants: LANES, TRANSPOSED, ROW_GROUPS workgroups in a row of the grid, RUN (4 or 8), and HOP: the
// stride, 1 or 2, where a row of the kernel has three taps, which are then taken at once, as they see
// the same pixels; else 0.

struct Params {
  batch: u32, I: u32, h: u32, w: u32, O: u32, oh: u32, ow: u32,
  kh: u32, kw: u32, stride: u32, pad: u32,
}

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       w: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

const FOUR = vec4<u32>(0u, 1u, 2u, 3u);
const QUADS = RUN / 4u;
const TAPS = select(3u, 1u, HOP == 0u);

// Four channels, one a column, of four outputs of the run; then those of the next four outputs.
var<private> c: array<mat4x4<f32>, 4u * QUADS>;

/// Adds one tap: `weights` of channels `lane` and `lane + 8` times the pixels they meet.
fn add(weights: vec2<f32>, left: vec4<f32>, right: vec4<f32>) {
  add_four(0u, four(weights.x, 0u), left, right);
  add_four(1u, four(weights.x, 4u), left, right);
  add_four(2u, four(weights.y, 0u), left, right);
  add_four(3u, four(weights.y, 4u), left, right);
}

fn add_four(q: u32, weights: vec4<f32>, left: vec4<f32>, right: vec4<f32>) {
  c[q * QUADS] += outer(weights, left);
  if (RUN == 8u) { c[q * QUADS + 1u] += outer(weights, right); }
}

/// Four pixels of the line at `image`, 0 outside.
fn pixels(image: u32, columns: vec4<u32>, row: u32) -> vec4<f32> {
  let i = image + columns;
  let seen = vec4<bool>(row < p.h) & (columns < vec4<u32>(p.w));
  return select(vec4<f32>(), vec4<f32>(x[i.x], x[i.y], x[i.z], x[i.w]), seen);
}

fn weights(i: vec2<u32>) -> vec2<f32> { return vec2<f32>(w[i.x], w[i.y]); }

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  // Along z, phases within blocks of channels.
  let phases = select(1u, p.stride, TRANSPOSED == 1u);
  let block = group.z / (phases * phases) * 16u;
  let vertical = axis(group.z / phases % phases, p.kh, p.stride, p.pad);
  let across = axis(group.z % phases, p.kw, p.stride, p.pad);

  // The run of this thread; beyond the last one it is computed again and not stored.
  let height = (p.oh + vertical.every - 1u) / vertical.every;
  let runs = (p.ow + RUN * across.every - 1u) / (RUN * across.every);
  let unit = (group.y * ROW_GROUPS + group.x) * LANES + lane;
  let used = min(unit, p.batch * height * runs - 1u);
  let line = used / runs;
  let n = line / height;
  let row = line % height;
  let column = used % runs * RUN;

  let y = row * vertical.hop + vertical.start;
  let run = (column + FOUR) * across.hop + across.start;
  let beyond = run.x + RUN * HOP + vec2<u32>(0u, 1u);

  let taps = p.kh * p.kw;
  let channels = min(block + lane + vec2<u32>(0u, 8u), vec2<u32>(p.O - 1u));
  let kernels = channels * select(p.I * taps, taps, TRANSPOSED == 1u);
  let next_kernel = select(taps, p.O * taps, TRANSPOSED == 1u);
  let next_line = vertical.next * p.kw;

  var image = (n * p.I * p.h + y) * p.w; // line of x that tap row `ky` meets
  var line_taps = vertical.tap * p.kw + across.tap; // that tap row in w
  var ky = 0u;
  var kx = 0u;
  for (var k = 0u; k < p.I * vertical.taps * across.taps; k += TAPS) {
    let left = pixels(image, kx + run, y + ky);
    var right: vec4<f32>;
    if (RUN == 8u) { right = pixels(image, kx + run + 4u * across.hop, y + ky); }
    let tap = kernels + line_taps + kx * across.next;
    if (HOP == 0u) {
      add(weights(tap), left, right);
    } else {
      // All loads before all sums: around the branches of a load, sums have to leave their registers.
      let w0 = weights(tap);
      let w1 = weights(tap + across.next);
      let w2 = weights(tap + 2u * across.next);
      // The first tap sees these pixels; the last, or both others, see them from a later one on.
      let seen = vec2<bool>(y + ky < p.h) & (beyond < vec2<u32>(p.w));
      var more = vec2<f32>(x[image + beyond.x], 0.0);
      if (HOP == 1u) { more.y = x[image + beyond.y]; }
      more = select(vec2<f32>(), more, seen);
      let end = select(vec4<f32>(more, 0.0, 0.0), right, RUN == 8u);
      let left_1 = vec4<f32>(left.yzw, end.x);
      let right_1 = vec4<f32>(right.yzw, more.x);
      if (HOP == 1u) {
        add(w0, left, right);
        add(w1, left_1, right_1);
        add(w2, vec4<f32>(left.zw, end.xy), vec4<f32>(right.zw, more));
      } else {
        let between = pixels(image, run + 1u, y + ky);
        var between_right: vec4<f32>;
        if (RUN == 8u) { between_right = pixels(image, run + 4u * HOP + 1u, y + ky); }
        add(w0, left, right);
        add(w1, between, between_right);
        add(w2, left_1, right_1);
      }
    }
    kx += TAPS;
    if (kx == across.taps) {
      kx = 0u;
      ky++;
      image += p.w;
      line_taps += next_line;
    }
    if (ky == vertical.taps) {
      ky = 0u;
      image += (p.h - vertical.taps) * p.w;
      line_taps += next_kernel - vertical.taps * next_line;
    }
  }

  // Bounds that only the device knows keep these loops, and with them what is fused into the
  // epilogue, from being compiled many times over. `sums` is a copy, as indexing c would keep that
  // in memory all along.
  var sums = c;
  let oy = row * vertical.every + vertical.first;
  let ox = column * across.every + across.first;
  let channels_left = min(16u, p.O - block);
  for (var q = 0u; q < channels_left * QUADS; q++) {
    let sum = sums[q / (4u * QUADS) * QUADS + q % QUADS][q / QUADS % 4u];
    let line = ((n * p.O + block + q / QUADS) * p.oh + oy) * p.ow;
    let first = ox + q % QUADS * 4u * across.every;
    let end = select(0u, min(p.ow, first + 4u * across.every), unit == used && oy < p.oh);
    for (var to = first; to < end; to += across.every) {
      out[line + to] = epilogue(sum[(to - first) / across.every], line + to);
    }
  }
}
