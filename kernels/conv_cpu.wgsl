// Convolution or its transpose, for software adapters (common/lanes.wgsl)
//
//   out[n, o, y, x] = sum over i, ky, kx of x[n, i, y*stride - pad + ky, x*stride - pad + kx] * w[o, i, ky, kx]
//
//   x    [batch, I, h, w]
//   w    [O, I, kh, kw] or, for the transpose, [I, O, kh, kw]
//   out  [batch, O, oh, ow]
//
// common/conv_axis.wgsl tells how the transpose becomes such a sum. One workgroup of LANES threads
// per 16 output channels of 8 runs; a run is four outputs in a row of the image, in one phase, and
// belongs to one thread. The threads share the weights, each loading those of two channels.
// Constants: LANES, TRANSPOSED, ROW_GROUPS workgroups in a row of the grid, and TAPS, the neighbouring
// taps that are taken at once: 3 where a row of the kernel has three and the stride is 1, else 1.

struct Params {
  batch: u32, I: u32, h: u32, w: u32, O: u32, oh: u32, ow: u32,
  kh: u32, kw: u32, stride: u32, pad: u32,
}

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       w: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

const RUN = vec4<u32>(0u, 1u, 2u, 3u);

// Row q of a matrix is a channel, its columns are the run.
var<private> c: array<mat4x4<f32>, 4>;

/// Adds one tap: `weights` of channels `lane` and `lane + 8` times the pixels they meet.
fn add(weights: vec2<f32>, pixels: vec4<f32>) {
  c[0] += outer(four(weights.x, 0u), pixels);
  c[1] += outer(four(weights.x, 4u), pixels);
  c[2] += outer(four(weights.y, 0u), pixels);
  c[3] += outer(four(weights.y, 4u), pixels);
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
  let runs = (p.ow + 4u * across.every - 1u) / (4u * across.every);
  let unit = (group.y * ROW_GROUPS + group.x) * LANES + lane;
  let used = min(unit, p.batch * height * runs - 1u);
  let line = used / runs;
  let n = line / height;
  let row = line % height;
  let column = used % runs * 4u;

  let y = row * vertical.hop + vertical.start;
  let run = (column + RUN) * across.hop + across.start;
  let beyond = run.w + vec2<u32>(1u, 2u);

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
    let at = image + kx + run;
    let seen = vec4<bool>(y + ky < p.h) & (kx + run < vec4<u32>(p.w));
    let pixels = select(vec4<f32>(), vec4<f32>(x[at.x], x[at.y], x[at.z], x[at.w]), seen);
    let tap = kernels + line_taps + kx * across.next;
    if (TAPS == 1u) {
      add(weights(tap), pixels);
    } else {
      // Three taps see six pixels. All loads before all sums: around the branches of a load, sums
      // have to leave their registers.
      let more_seen = vec2<bool>(y + ky < p.h) & (beyond < vec2<u32>(p.w));
      let more = select(vec2<f32>(), vec2<f32>(x[image + beyond.x], x[image + beyond.y]), more_seen);
      let w0 = weights(tap);
      let w1 = weights(tap + across.next);
      let w2 = weights(tap + 2u * across.next);
      add(w0, pixels);
      add(w1, vec4<f32>(pixels.yzw, more.x));
      add(w2, vec4<f32>(pixels.zw, more));
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
  let end = select(0u, min(p.ow, ox + 4u * across.every), unit == used && oy < p.oh);
  let channels_left = min(16u, p.O - block);
  for (var q = 0u; q < channels_left; q++) {
    let sum = sums[q / 4u][q % 4u];
    let line = ((n * p.O + block + q) * p.oh + oy) * p.ow;
    for (var to = ox; to < end; to += across.every) {
      out[line + to] = epilogue(sum[(to - ox) / across.every], line + to);
    }
  }
}
