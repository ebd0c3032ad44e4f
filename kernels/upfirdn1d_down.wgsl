// upfirdn1d without upsampling, for up to 4 samples an output and up to 6 taps for each of them:
//
//   out[a, o, b] = gain * sum over t, r of f[taps-1-k] * x[a, (o + lag + t)*down + r, b],
//   k = t*down + r - odd,  lag = floor(-before / down),  odd = -before - lag*down
//
//   x    [outer, len_in, inner]     row-major, 0 outside
//   f    [taps]                     flipped as written here; with correlate = 1 it is not
//   out  [outer, len_out, inner]
//
// One thread per column (common/column.wgsl): it loads blocks of `down` samples, each once, and keeps
// the sums of the seven outputs that a block counts for.

struct Params {
  columns: u32, len_in: i32, len_out: i32, inner: u32,
  taps: i32, down: i32, lag: i32, odd: i32, correlate: u32, gain: f32,
}

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       f: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

/// What sample r of block t counts for an output.
fn tap(t: i32, r: i32) -> f32 {
  let k = t * p.down + r - p.odd;
  if (r >= p.down || k < 0 || k >= p.taps) { return 0.0; }
  return p.gain * f[select(p.taps - 1 - k, k, p.correlate == 1u)];
}

/// The same for a whole block.
fn taps(t: i32) -> vec4<f32> { return vec4<f32>(tap(t, 0), tap(t, 1), tap(t, 2), tap(t, 3)); }

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let column = id.y * ROW + id.x;
  if (column >= p.columns) { return; }
  let x_first = column / p.inner * u32(p.len_in) * p.inner + column % p.inner;
  var i = column / p.inner * u32(p.len_out) * p.inner + column % p.inner;

  let f0 = taps(0); let f1 = taps(1); let f2 = taps(2); let f3 = taps(3);
  let f4 = taps(4); let f5 = taps(5); let f6 = taps(6);
  var y0 = 0.0; var y1 = 0.0; var y2 = 0.0; var y3 = 0.0; var y4 = 0.0; var y5 = 0.0;
  // The outputs before the first see only part of their blocks, and are not stored.
  for (var o = -6; o < p.len_out; o++) {
    let j = (o + p.lag + 6) * p.down;
    var block = vec4<f32>();
    block.x = sample_x(x_first, j);
    if (p.down > 1) { block.y = sample_x(x_first, j + 1); }
    if (p.down > 2) { block.z = sample_x(x_first, j + 2); }
    if (p.down > 3) { block.w = sample_x(x_first, j + 3); }
    let y = y0 + dot(f6, block);
    y0 = y1 + dot(f5, block);
    y1 = y2 + dot(f4, block);
    y2 = y3 + dot(f3, block);
    y3 = y4 + dot(f2, block);
    y4 = y5 + dot(f1, block);
    y5 = dot(f0, block);
    if (o >= 0) {
      out[i] = epilogue(y, i);
      i += p.inner;
    }
  }
}
