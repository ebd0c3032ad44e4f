// out[a, o, b] = sum over t < taps of weight[o, t] * x[a, start[o] + t, b]
//
//   x       [outer, len_in, inner]    row-major
//   start   [len_out]                 first element that each output reads
//   weight  [len_out, taps]           0 where an output has fewer taps
//   out     [outer, len_out, inner]
//
// A banded matrix along one axis. One thread per element; taps past the end of the axis have weight
// 0 and read its last element.

struct Params { count: u32, len_in: u32, len_out: u32, inner: u32, taps: u32 }

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       start: array<u32>;
@group(0) @binding(2) var<storage, read>       weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<uniform>             p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.y * ROW + id.x;
  if (i >= p.count) { return; }
  let b = i % p.inner;
  let o = (i / p.inner) % p.len_out;
  let base = i / (p.inner * p.len_out) * p.len_in;
  var sum = 0.0;
  for (var t = 0u; t < p.taps; t++) {
    let k = min(start[o] + t, p.len_in - 1u);
    sum += weight[o * p.taps + t] * load_x((base + k) * p.inner + b);
  }
  out[i] = epilogue(sum, i);
}
