// out[s, m, n] = sum over k of a[s, m, k] * b[s, k, n]
//
//   a    [batch, M, K] or, transposed, [batch, K, M]
//   b    [batch, K, N] or, transposed, [batch, N, K]
//   out  [batch, M, N]
//
// For products so small that compiling a larger kernel would take longer than running this one ever
// does. Strides are given in elements, so that transposed and shared operands need no copy. One thread
// per output. Constants: WG threads per workgroup, ROW threads per row of the grid.

struct Params {
  count: u32, M: u32, N: u32, K: u32,
  a_batch: u32, a_m: u32, a_k: u32,
  b_batch: u32, b_k: u32, b_n: u32,
}

@group(0) @binding(0) var<storage, read>       a: array<f32>;
@group(0) @binding(1) var<storage, read>       b: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.y * ROW + id.x;
  if (i >= p.count) { return; }
  let n = i % p.N;
  let m = i / p.N % p.M;
  let s = i / (p.N * p.M);
  var sum = 0.0;
  for (var k = 0u; k < p.K; k++) {
    let at_a = s * p.a_batch + m * p.a_m + k * p.a_k;
    let at_b = s * p.b_batch + k * p.b_k + n * p.b_n;
    sum += load_a(at_a) * load_b(at_b);
  }
  out[i] = epilogue(sum, i);
}
