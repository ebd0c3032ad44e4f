// upfirdn2d along one axis, for filters that are the product of two of these:
//
//   out[a, o, b] = gain * sum over k of f[taps-1-k] * u[a, o*down + k - before, b]
//   u[a, j*up, b] = x[a, j, b], and 0 elsewhere
//
//   x    [outer, len_in, inner]     row-major
//   f    [taps]                     flipped as written here; with correlate = 1 it is not
//   out  [outer, len_out, inner]
//
// One thread per output element.

struct Params {
  count: u32, len_in: i32, len_out: u32, inner: u32,
  taps: i32, up: i32, down: i32, before: i32, correlate: u32, gain: f32,
}

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       f: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.y * ROW + id.x;
  if (i >= p.count) { return; }
  let o = i32(i / p.inner % p.len_out);
  let row = i / (p.inner * p.len_out) * u32(p.len_in);
  let start = o * p.down - p.before;
  // Samples from `first` up to `end` lie within the filter's reach; inserted zeros are left out.
  let first = (max(start, 0) + p.up - 1) / p.up;
  let end = min((max(start + p.taps, 0) + p.up - 1) / p.up, p.len_in);
  var sum = 0.0;
  for (var j = first; j < end; j++) {
    let k = j * p.up - start;
    let tap = select(p.taps - 1 - k, k, p.correlate == 1u);
    sum += f[tap] * load_x((row + u32(j)) * p.inner + i % p.inner);
  }
  out[i] = epilogue(p.gain * sum, i);
}
