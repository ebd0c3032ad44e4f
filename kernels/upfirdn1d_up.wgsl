// upfirdn1d without downsampling, for up to 4 outputs a sample and up to 6 taps for each of them:
//
//   out[a, m*up + r, b] = gain * sum over t of f[taps-1-k] * x[a, m + lag + t, b],
//   k = t*up - r + odd,  lag = -floor(before / up),  odd = before + lag*up
//
//   x    [outer, len_in, inner]     row-major, 0 outside
//   f    [taps]                     flipped as written here; with correlate = 1 it is not
//   out  [outer, len_out, inner]
//
// One thread per column (common/column.wgsl): it slides seven samples and keeps all taps, so that it
// loads everything once.

struct Params {
  columns: u32, len_in: i32, len_out: i32, inner: u32,
  taps: i32, up: i32, lag: i32, odd: i32, correlate: u32, gain: f32,
}

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       f: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

/// What sample t of the seven counts for output r of a step.
fn tap(t: i32, r: i32) -> f32 {
  let k = t * p.up - r + p.odd;
  if (r >= p.up || k < 0 || k >= p.taps) { return 0.0; }
  return p.gain * f[select(p.taps - 1 - k, k, p.correlate == 1u)];
}

/// The same for all outputs of a step.
fn taps(t: i32) -> vec4<f32> { return vec4<f32>(tap(t, 0), tap(t, 1), tap(t, 2), tap(t, 3)); }

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let column = id.y * ROW + id.x;
  if (column >= p.columns) { return; }
  let x_first = column / p.inner * u32(p.len_in) * p.inner + column % p.inner;
  var i = column / p.inner * u32(p.len_out) * p.inner + column % p.inner;

  let f0 = taps(0); let f1 = taps(1); let f2 = taps(2); let f3 = taps(3);
  let f4 = taps(4); let f5 = taps(5); let f6 = taps(6);
  var x0 = 0.0;
  var x1 = sample_x(x_first, p.lag);
  var x2 = sample_x(x_first, p.lag + 1);
  var x3 = sample_x(x_first, p.lag + 2);
  var x4 = sample_x(x_first, p.lag + 3);
  var x5 = sample_x(x_first, p.lag + 4);
  var x6 = sample_x(x_first, p.lag + 5);
  for (var m = 0; m * p.up < p.len_out; m++) {
    x0 = x1; x1 = x2; x2 = x3; x3 = x4; x4 = x5; x5 = x6;
    x6 = sample_x(x_first, m + p.lag + 6);
    let y = x0 * f0 + x1 * f1 + x2 * f2 + x3 * f3 + x4 * f4 + x5 * f5 + x6 * f6;
    for (var r = 0; r < min(p.up, p.len_out - m * p.up); r++) {
      out[i] = epilogue(y[r], i);
      i += p.inner;
    }
  }
}
