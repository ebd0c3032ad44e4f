// out[s, m, n] = sum over k of a[s, m, k] * b[s, k, n], on tensor cores (common/matrix.wgsl)
//
//   a    [batch, M, K] or, transposed, [batch, K, M]
//   b    [batch, K, N] or, transposed, [batch, N, K]
//   out  [batch, M, N]
//
// Strides are given in elements, so that transposed and shared operands need no copy. One workgroup
// per block of ROWS x COLUMNS of a product. Factors are rounded to f16. A_ALONG_K and B_ALONG_K tell
// whether a_k and b_k are 1.

struct Params {
  M: u32, N: u32, K: u32,
  a_batch: u32, a_m: u32, a_k: u32,
  b_batch: u32, b_k: u32, b_n: u32,
}

@group(0) @binding(0) var<storage, read>       a: array<f32>;
@group(0) @binding(1) var<storage, read>       b: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

/// Fills a slot of tile_a; beyond the last row, that row is loaded again.
fn fill_a(slot: Slot, group: vec3<u32>, first_k: u32) {
  let k = first_k + slot.k;
  let i = group.z * p.a_batch + min(group.y * ROWS + slot.line, vec4<u32>(p.M - 1u)) * p.a_m +
    k * p.a_k;
  let v = vec4<f32>(load_a(i.x), load_a(i.y), load_a(i.z), load_a(i.w));
  tile_a[slot.at] = quad_of(select(vec4<f32>(), v, k < vec4<u32>(p.K)));
}

fn fill_b(slot: Slot, group: vec3<u32>, first_k: u32) {
  let k = first_k + slot.k;
  let i = group.z * p.b_batch + k * p.b_k +
    min(group.x * COLUMNS + slot.line, vec4<u32>(p.N - 1u)) * p.b_n;
  let v = vec4<f32>(load_b(i.x), load_b(i.y), load_b(i.z), load_b(i.w));
  tile_b[slot.at] = quad_of(select(vec4<f32>(), v, k < vec4<u32>(p.K)));
}

fn put(group: vec3<u32>, row: u32, column: u32, value: f32) {
  let m = group.y * ROWS + row;
  let n = group.x * COLUMNS + column;
  if (m >= p.M || n >= p.N) { return; }
  let to = (group.z * p.M + m) * p.N + n;
  out[to] = epilogue(value, to);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  var sums: Block;
  for (var k = 0u; k < p.K; k += DEPTH) {
    for (var i = thread; i < DEPTH * ROWS / 4u; i += THREADS) { fill_a(slot_of_a(i), group, k); }
    for (var i = thread; i < DEPTH * COLUMNS / 4u; i += THREADS) {
      fill_b(slot_of_b(i), group, k);
    }
    workgroupBarrier();
    multiply_tiles(&sums, thread, 0u);
    workgroupBarrier();
  }
  write_block(&sums, thread, group);
}
