// out[a, b] = sum over k of x[a, k, b]
//
//   x    [outer, len, inner]   row-major
//   out  [outer, inner]
//
// One thread per output; neighbouring threads read neighbouring elements when inner > 1.

struct Params { count: u32, len: u32, inner: u32 }

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform>             p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.y * ROW + id.x;
  if (i >= p.count) { return; }
  let start = (i / p.inner) * p.len * p.inner + i % p.inner;
  var sum = 0.0;
  for (var k = 0u; k < p.len; k++) {
    sum += load_x(start + k * p.inner);
  }
  out[i] = epilogue(sum, i);
}
