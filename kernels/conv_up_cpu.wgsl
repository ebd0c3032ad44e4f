// Transposed convolution by 3x3 at stride 2, for software adapters (common/lanes.wgsl)
//
//   out[n, o, y, x] = sum over i and all v, u with 2*v + ky = y + pad, 2*u + kx = x + pad
//                     of x[n, i, v, u] * w[i, o, ky, kx]
//
//   x    [batch, I, h, w]
//   w    [I, O, 3, 3]
//   out  [batch, O, oh, ow]
//
// Of the places y + pad, an even one 2*v sees rows v and v - 1 of x, an odd one 2*v + 1 row v alone;
// along x the same. One workgroup of LANES threads per 8 output channels of 8 runs; a run is four
// samples in a row of x with the 2 x 2 places that begin at each, and belongs to one thread: the four
// kinds of places share its samples. The threads share the weights, each loading those of one channel.
// Constants: LANES, ROW_GROUPS workgroups in a row of the grid.

struct Params { batch: u32, I: u32, h: u32, w: u32, O: u32, oh: u32, ow: u32, pad: u32 }

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       w: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

const RUN = vec4<u32>(0u, 1u, 2u, 3u);

// Two matrices for each kind of place: even, even; even, odd; odd, even; odd, odd. A column is a
// channel, its elements are the run.
var<private> c: array<mat4x4<f32>, 8>;

/// A sample and the four after it, 0 outside of the line.
struct Samples { first: f32, rest: vec4<f32> }

fn samples(line: u32, y: u32, column: u32) -> Samples {
  let run = column + RUN;
  let i = line + run;
  let seen = vec4<bool>(y < p.h) & (run < vec4<u32>(p.w));
  let first = select(0.0, x[line + column - 1u], y < p.h && column - 1u < p.w);
  return Samples(first, select(vec4<f32>(), vec4<f32>(x[i.x], x[i.y], x[i.z], x[i.w]), seen));
}

/// Adds four channels, those of lanes `first` and on, for which `k` are the taps.
fn add(first: u32, k: array<f32, 9>, above: mat2x4<f32>, here: mat2x4<f32>) {
  let q = first / 4u;
  c[q] = c[q] + outer(four(k[8], first), above[0]) + outer(four(k[6], first), above[1]) +
    outer(four(k[2], first), here[0]) + outer(four(k[0], first), here[1]);
  c[2u + q] = c[2u + q] + outer(four(k[7], first), above[1]) + outer(four(k[1], first), here[1]);
  c[4u + q] = c[4u + q] + outer(four(k[5], first), here[0]) + outer(four(k[3], first), here[1]);
  c[6u + q] = c[6u + q] + outer(four(k[4], first), here[1]);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let block = group.z * 8u;
  // The run of this thread; beyond the last one it is computed again and not stored.
  let top = p.pad / 2u;
  let height = (p.pad + p.oh - 1u) / 2u - top + 1u;
  let runs = ((p.pad + p.ow - 1u) / 2u - top) / 4u + 1u;
  let unit = (group.y * ROW_GROUPS + group.x) * LANES + lane;
  let used = min(unit, p.batch * height * runs - 1u);
  let n = used / (height * runs);
  let row = used / runs % height + top;
  let column = used % runs * 4u + top;

  let channel = min(block + lane, p.O - 1u);
  var line = (n * p.I * p.h + row) * p.w;
  var kernel = channel * 9u;
  for (var i = 0u; i < p.I; i++) {
    // All loads before all sums: around the branches of a load, sums have to leave their registers.
    let v = samples(line, row, column);
    let u = samples(line - p.w, row - 1u, column);
    let k = array<f32, 9>(
      w[kernel], w[kernel + 1u], w[kernel + 2u], w[kernel + 3u], w[kernel + 4u], w[kernel + 5u],
      w[kernel + 6u], w[kernel + 7u], w[kernel + 8u],
    );
    let above = mat2x4<f32>(vec4<f32>(u.first, u.rest.xyz), u.rest);
    let here = mat2x4<f32>(vec4<f32>(v.first, v.rest.xyz), v.rest);
    add(0u, k, above, here);
    add(4u, k, above, here);
    line += p.h * p.w;
    kernel += p.O * 9u;
  }

  // Bounds that only the device knows keep these loops, and with them what is fused into the
  // epilogue, from being compiled many times over. `sums` is a copy, as indexing c would keep that
  // in memory all along.
  var sums = c;
  let channels_left = min(8u, p.O - block);
  for (var q = 0u; q < channels_left * 4u; q++) {
    let kind = q % 4u;
    let sum = sums[kind * 2u + q / 16u][q / 4u % 4u];
    let y = 2u * row + kind / 2u - p.pad;
    let to = ((n * p.O + block + q / 4u) * p.oh + y) * p.ow;
    for (var j = 0u; j < select(0u, 4u, unit == used && y < p.oh); j++) {
      let at = 2u * (column + j) + kind % 2u - p.pad;
      if (at < p.ow) { out[to + at] = epilogue(sum[j], to + at); }
    }
  }
}
