// The cotangent of filtered_lrelu's x (common/axis_lrelu.wgsl has the formulas)
//
//   out = upᵀ(lrelu'(up(x)) * downᵀ(gy)),  lrelu'(u) = gain, gain * slope, or 0 beyond the limit
//
//   x, out  [outer, len_in, inner]     row-major, 0 outside
//   gy      [outer, len_out, inner]
//   fu, fd  [up_taps], [down_taps]
//
// One thread per column: it slides along both, and the fine samples never leave it.

struct Params {
  columns: u32, len_in: i32, len_out: i32, inner: u32,
  up: i32, down: i32, up_taps: i32, down_taps: i32, lag: i32, odd: i32,
  slope: f32, gain: f32, limit: f32,
}

@group(0) @binding(0) var<storage, read>       gy: array<f32>;
@group(0) @binding(1) var<storage, read>       x: array<f32>;
@group(0) @binding(2) var<storage, read>       fu: array<f32>;
@group(0) @binding(3) var<storage, read>       fd: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<uniform>             p: Params;

fn sample_gy(first: u32, o: i32) -> f32 {
  let value = load_gy(first + u32(clamp(o, 0, p.len_out - 1)) * p.inner);
  return select(0.0, value, o >= 0 && o < p.len_out);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let column = id.y * ROW + id.x;
  if (column >= p.columns) { return; }
  let gy_first = column / p.inner * u32(p.len_out) * p.inner + column % p.inner;
  let x_first = column / p.inner * u32(p.len_in) * p.inner + column % p.inner;
  var i = x_first;

  let u0 = up_taps(0); let u1 = up_taps(1); let u2 = up_taps(2); let u3 = up_taps(3);
  let u4 = up_taps(4); let u5 = up_taps(5); let u6 = up_taps(6);
  let d0 = down_taps(0); let d1 = down_taps(1); let d2 = down_taps(2);
  let d3 = down_taps(3); let d4 = down_taps(4); let d5 = down_taps(5);
  // The first step is the first that counts for sample 0 of x. Before that sample, x is 0.
  let start = -p.lag - 6;
  var n = start * (p.up / p.down);
  var g0 = 0.0;
  var g1 = sample_gy(gy_first, n - 5);
  var g2 = sample_gy(gy_first, n - 4);
  var g3 = sample_gy(gy_first, n - 3);
  var g4 = sample_gy(gy_first, n - 2);
  var g5 = sample_gy(gy_first, n - 1);
  var x0 = 0.0; var x1 = 0.0; var x2 = 0.0; var x3 = 0.0; var x4 = 0.0; var x5 = 0.0; var x6 = 0.0;
  // Sums of the samples that the steps so far count for.
  var s0 = 0.0; var s1 = 0.0; var s2 = 0.0; var s3 = 0.0; var s4 = 0.0; var s5 = 0.0;
  for (var j = -6; j < p.len_in; j++) {
    x0 = x1; x1 = x2; x2 = x3; x3 = x4; x4 = x5; x5 = x6;
    x6 = sample_x(x_first, j + 6);
    let u = x0 * u0 + x1 * u1 + x2 * u2 + x3 * u3 + x4 * u4 + x5 * u5 + x6 * u6;
    var v = vec4<f32>();
    for (var done = 0; done < p.up; done += p.down) {
      g0 = g1; g1 = g2; g2 = g3; g3 = g4; g4 = g5;
      g5 = sample_gy(gy_first, n);
      n++;
      let block = g0 * d5 + g1 * d4 + g2 * d3 + g3 * d2 + g4 * d1 + g5 * d0;
      v = select(vec4<f32>(v.xy, block.xy), block, done == 0);
    }
    let y = p.gain * max(u, p.slope * u);
    let slopes = select(vec4<f32>(p.gain * p.slope), vec4<f32>(p.gain), u > vec4<f32>());
    v = select(vec4<f32>(), v * slopes, abs(y) < vec4<f32>(p.limit));
    let s = s0 + dot(u0, v);
    s0 = s1 + dot(u1, v);
    s1 = s2 + dot(u2, v);
    s2 = s3 + dot(u3, v);
    s3 = s4 + dot(u4, v);
    s4 = s5 + dot(u5, v);
    s5 = dot(u6, v);
    if (j >= 0) {
      out[i] = epilogue(s, i);
      i += p.inner;
    }
  }
}
