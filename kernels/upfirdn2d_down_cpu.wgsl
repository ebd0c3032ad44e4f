// upfirdn2d to half the size by filters up to twelve taps high, for software adapters
// (common/lanes.wgsl, common/plane_filter.wgsl)
//
//   out[c, o, q] = sum over t, r, kx of
//                  f[kh-1-ky, kw-1-kx] * x[c, 2*(o + lag + t) + r, 2*q + kx - left],
//   ky = 2*t + r - odd,  lag = floor(-top / 2),  odd = -top - 2*lag
//
//   x    [planes, h, w]     row-major, 0 outside
//   f    [kh, kw]           flipped as written here; with correlate = 1 it is not
//   out  [planes, oh, ow]
//
// One thread per unit, four columns of outputs: it slides down two rows of x at a time, and keeps the
// sums of the seven rows of outputs that these count for. The threads share the taps, lane t loading
// those of t. Constants: LANES, ROW_GROUPS workgroups in a row of the grid.

struct Params {
  units: u32, groups: u32, h: i32, w: i32, oh: i32, ow: i32,
  kh: i32, kw: i32, left: i32, lag: i32, odd: i32, correlate: u32,
}

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       f: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  // Beyond the last unit, that one is computed again and not stored.
  let unit = (group.y * ROW_GROUPS + group.x) * LANES + lane;
  let used = min(unit, p.units - 1u);
  let plane = used / p.groups;
  let first = i32(used % p.groups) * 4;
  let column = first * 2 - p.left;

  var y0 = vec4<f32>(); var y1 = vec4<f32>(); var y2 = vec4<f32>(); var y3 = vec4<f32>();
  var y4 = vec4<f32>(); var y5 = vec4<f32>(); var y6 = vec4<f32>();
  // The outputs before the first see only part of their rows, and are not stored.
  for (var o = -6; o < p.oh; o++) {
    for (var r = 0; r < 2; r++) {
      let y = (o + p.lag + 6) * 2 + r;
      let ky = 2 * i32(lane) + r - p.odd;
      // What the four outputs read at an even and at an odd tap.
      var a = vec4<f32>(
        0.0, sample(plane, y, column), sample(plane, y, column + 2), sample(plane, y, column + 4),
      );
      var b = vec4<f32>(
        0.0, sample(plane, y, column + 1), sample(plane, y, column + 3), sample(plane, y, column + 5),
      );
      for (var kx = 0; kx < p.kw; kx += 2) {
        a = vec4<f32>(a.yzw, sample(plane, y, column + kx + 6));
        b = vec4<f32>(b.yzw, sample(plane, y, column + kx + 7));
        let s = tap(ky, kx);
        let t = tap(ky, kx + 1);
        y0 += subgroupShuffle(s, 6u) * a + subgroupShuffle(t, 6u) * b;
        y1 += subgroupShuffle(s, 5u) * a + subgroupShuffle(t, 5u) * b;
        y2 += subgroupShuffle(s, 4u) * a + subgroupShuffle(t, 4u) * b;
        y3 += subgroupShuffle(s, 3u) * a + subgroupShuffle(t, 3u) * b;
        y4 += subgroupShuffle(s, 2u) * a + subgroupShuffle(t, 2u) * b;
        y5 += subgroupShuffle(s, 1u) * a + subgroupShuffle(t, 1u) * b;
        y6 += subgroupShuffle(s, 0u) * a + subgroupShuffle(t, 0u) * b;
      }
    }
    if (o >= 0 && unit < p.units) {
      for (var q = 0; q < min(4, p.ow - first); q++) {
        let i = (plane * u32(p.oh) + u32(o)) * u32(p.ow) + u32(first + q);
        out[i] = epilogue(y0[q], i);
      }
    }
    y0 = y1; y1 = y2; y2 = y3; y3 = y4; y4 = y5; y5 = y6; y6 = vec4<f32>();
  }
}
