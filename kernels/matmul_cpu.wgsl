// out[s, m, n] = sum over k of a[s, m, k] * b[s, k, n], for software adapters (common/lanes.wgsl)
//
//   a    [batch, M, K] or, transposed, [batch, K, M]
//   b    [batch, K, N] or, transposed, [batch, N, K]
//   out  [batch, M, N]
//
// Strides are given in elements, so that transposed and shared operands need no copy. One workgroup
// of LANES threads per ROWS x 64 block of a product. A thread sums 8 columns of all rows; it loads
// its own columns of b and the elements of every eighth row of a, which the lanes share.
// Constants: LANES, ROWS (8 or 32).

struct Params {
  M: u32, N: u32, K: u32,
  a_batch: u32, a_m: u32, a_k: u32,
  b_batch: u32, b_k: u32, b_n: u32,
}

@group(0) @binding(0) var<storage, read>       a: array<f32>;
@group(0) @binding(1) var<storage, read>       b: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

const EIGHTS = vec4<u32>(0u, 8u, 16u, 24u);

// Four rows by four columns in each matrix; 2 q and 2 q + 1 are the left and the right half of rows
// 4 q .. 4 q + 3.
var<private> c: array<mat4x4<f32>, 16>;

fn add(pair: u32, v: f32, left: vec4<f32>, right: vec4<f32>) {
  let upper = four(v, 0u);
  c[pair] += outer(upper, left);
  c[pair + 1u] += outer(upper, right);
  let lower = four(v, 4u);
  c[pair + 2u] += outer(lower, left);
  c[pair + 3u] += outer(lower, right);
}

fn columns_of_b(i: vec4<u32>) -> vec4<f32> {
  return vec4<f32>(load_b(i.x), load_b(i.y), load_b(i.z), load_b(i.w));
}

fn put(row: u32, column: u32, sum: f32) {
  if (column < p.N) { out[row + column] = epilogue(sum, row + column); }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let rows = group.y * ROWS + lane + EIGHTS;
  let left = group.x * 64u + lane + EIGHTS;
  let right = left + 32u;
  // Beyond the edge the last row and column are loaded again.
  let at_rows = group.z * p.a_batch + min(rows, vec4<u32>(p.M - 1u)) * p.a_m;
  let at_left = group.z * p.b_batch + min(left, vec4<u32>(p.N - 1u)) * p.b_n;
  let at_right = group.z * p.b_batch + min(right, vec4<u32>(p.N - 1u)) * p.b_n;

  for (var k = 0u; k < p.K; k++) {
    // All loads before all sums: around the branches of a load, sums have to leave their registers.
    let l = columns_of_b(at_left + k * p.b_k);
    let r = columns_of_b(at_right + k * p.b_k);
    let at = at_rows + k * p.a_k;
    if (ROWS == 8u) {
      add(0u, load_a(at.x), l, r);
    } else {
      let v = vec4<f32>(load_a(at.x), load_a(at.y), load_a(at.z), load_a(at.w));
      add(0u, v.x, l, r);
      add(4u, v.y, l, r);
      add(8u, v.z, l, r);
      add(12u, v.w, l, r);
    }
  }

  var sums = c; // a copy, as indexing c itself would keep it in memory all along
  for (var i = 0u; i < 2u * ROWS; i++) {
    let m = group.y * ROWS + i / 8u * 4u + i % 4u;
    let columns = select(left, right, (i & 4u) != 0u);
    let sum = sums[i / 4u][i % 4u];
    let row = (group.z * p.M + m) * p.N;
    if (m < p.M) {
      put(row, columns.x, sum.x);
      put(row, columns.y, sum.y);
      put(row, columns.z, sum.z);
      put(row, columns.w, sum.w);
    }
  }
}
