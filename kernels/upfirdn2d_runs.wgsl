// upfirdn2d without up- and downsampling, for filters of up to four rows of four taps: StyleGAN2's
// blur (common/plane_filter.wgsl)
//
//   out[c, oy, ox] = sum over ky, kx of f[kh-1-ky, 3-kx] * x[c, oy + ky - top, ox + kx - left]
//
//   x    [planes, h, w]     row-major, 0 outside
//   f    [kh, 4]            flipped as written here; with correlate = 1 it is not
//   out  [planes, oh, ow]
//
// One thread per four columns of ROWS rows of outputs: it slides down one row of x at a time, which it
// loads once for all of the taps, and keeps the sums of the four rows of outputs that see it.
// Constants: WG threads per workgroup, ROW threads per row of the grid, ROWS.

struct Params {
  runs: u32, groups: u32, h: i32, w: i32, oh: i32, ow: i32,
  kh: i32, kw: i32, left: i32, top: i32, correlate: u32,
}

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       f: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

fn row_of_taps(ky: i32) -> vec4<f32> {
  return vec4<f32>(tap(ky, 0), tap(ky, 1), tap(ky, 2), tap(ky, 3));
}

/// What a row of seven samples adds to four outputs.
fn filtered(taps: vec4<f32>, a: vec4<f32>, b: vec3<f32>) -> vec4<f32> {
  return taps.x * a + taps.y * vec4<f32>(a.yzw, b.x) + taps.z * vec4<f32>(a.zw, b.xy) +
    taps.w * vec4<f32>(a.w, b);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let run = id.y * ROW + id.x;
  if (run >= p.runs) { return; }
  let down = (u32(p.oh) + ROWS - 1u) / ROWS;
  let plane = run / (p.groups * down);
  let first = i32(run % p.groups) * 4;
  let top = i32(run / p.groups % down * ROWS);
  let column = first - p.left;
  let t0 = row_of_taps(0);
  let t1 = row_of_taps(1);
  let t2 = row_of_taps(2);
  let t3 = row_of_taps(3);

  var s0 = vec4<f32>();
  var s1 = vec4<f32>();
  var s2 = vec4<f32>();
  // The outputs above the first see only part of their rows, and are not stored.
  for (var oy = top - 3; oy < min(top + i32(ROWS), p.oh); oy++) {
    let y = oy + 3 - p.top;
    let a = vec4<f32>(
      sample(plane, y, column), sample(plane, y, column + 1), sample(plane, y, column + 2),
      sample(plane, y, column + 3),
    );
    let b = vec3<f32>(
      sample(plane, y, column + 4), sample(plane, y, column + 5), sample(plane, y, column + 6),
    );
    let sums = s0 + filtered(t3, a, b);
    s0 = s1 + filtered(t2, a, b);
    s1 = s2 + filtered(t1, a, b);
    s2 = filtered(t0, a, b);
    let to = (plane * u32(p.oh) + u32(oy)) * u32(p.ow) + u32(first);
    for (var j = 0; j < select(0, min(4, p.ow - first), oy >= top); j++) {
      out[to + u32(j)] = epilogue(sums[j], to + u32(j));
    }
  }
}
