// upfirdn2d to twice the size by filters up to twelve taps high, for software adapters
// (common/lanes.wgsl, common/plane_filter.wgsl)
//
//   out[c, 2*m + r, q] = sum over t, j of f[kh-1-ky, kw-1-kx] * x[c, m + lag_y + t, j],
//   ky = 2*t - r + odd_y,  kx = 2*j - q + left,  lag = -floor(pad / 2),  odd = pad + 2*lag
//
//   x    [planes, h, w]     row-major, 0 outside
//   f    [kh, kw]           flipped as written here; with correlate = 1 it is not
//   out  [planes, oh, ow]
//
// One thread per unit, four columns of outputs: it slides down one row of x at a time, and keeps the
// sums of the seven pairs of rows that it counts for. The threads share the taps, lane t loading those
// of t. Constants: LANES, ROW_GROUPS workgroups in a row of the grid.

struct Params {
  units: u32, groups: u32, h: i32, w: i32, oh: i32, ow: i32,
  kh: i32, kw: i32, lag_y: i32, odd_y: i32, lag_x: i32, odd_x: i32, correlate: u32,
}

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       f: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

/// Taps of four outputs from lane t.
fn taps(t: u32, s: vec4<f32>) -> vec4<f32> {
  return vec4<f32>(
    subgroupShuffle(s.x, t), subgroupShuffle(s.y, t), subgroupShuffle(s.z, t), subgroupShuffle(s.w, t),
  );
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  // Beyond the last unit, that one is computed again and not stored.
  let unit = (group.y * ROW_GROUPS + group.x) * LANES + lane;
  let used = min(unit, p.units - 1u);
  let plane = used / p.groups;
  let first = i32(used % p.groups) * 4;
  let column = first / 2 + p.lag_x;
  let ky = 2 * i32(lane) + p.odd_y;

  // Even rows of outputs, and odd ones.
  var a0 = vec4<f32>(); var a1 = vec4<f32>(); var a2 = vec4<f32>(); var a3 = vec4<f32>();
  var a4 = vec4<f32>(); var a5 = vec4<f32>(); var a6 = vec4<f32>();
  var b0 = vec4<f32>(); var b1 = vec4<f32>(); var b2 = vec4<f32>(); var b3 = vec4<f32>();
  var b4 = vec4<f32>(); var b5 = vec4<f32>(); var b6 = vec4<f32>();
  // The outputs before the first see only part of their rows, and are not stored.
  for (var m = -6; 2 * m < p.oh; m++) {
    var s = vec4<f32>();
    var t = vec4<f32>();
    for (var j = 0; 2 * j < p.kw + 3; j++) {
      let v = sample(plane, m + p.lag_y + 6, column + j);
      let kx = 2 * j + p.odd_x;
      s = vec4<f32>(tap(ky, kx), tap(ky, kx - 1), s.xy);
      t = vec4<f32>(tap(ky - 1, kx), tap(ky - 1, kx - 1), t.xy);
      a0 += v * taps(6u, s); b0 += v * taps(6u, t);
      a1 += v * taps(5u, s); b1 += v * taps(5u, t);
      a2 += v * taps(4u, s); b2 += v * taps(4u, t);
      a3 += v * taps(3u, s); b3 += v * taps(3u, t);
      a4 += v * taps(2u, s); b4 += v * taps(2u, t);
      a5 += v * taps(1u, s); b5 += v * taps(1u, t);
      a6 += v * taps(0u, s); b6 += v * taps(0u, t);
    }
    if (m >= 0 && unit < p.units) {
      for (var q = 0; q < min(4, p.ow - first); q++) {
        let i = (plane * u32(p.oh) + u32(2 * m)) * u32(p.ow) + u32(first + q);
        out[i] = epilogue(a0[q], i);
        if (2 * m + 1 < p.oh) { out[i + u32(p.ow)] = epilogue(b0[q], i + u32(p.ow)); }
      }
    }
    a0 = a1; a1 = a2; a2 = a3; a3 = a4; a4 = a5; a5 = a6; a6 = vec4<f32>();
    b0 = b1; b1 = b2; b2 = b3; b3 = b4; b4 = b5; b5 = b6; b6 = vec4<f32>();
  }
}
