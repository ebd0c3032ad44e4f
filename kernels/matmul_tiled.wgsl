// out[s, m, n] = sum over k of a[s, m, k] * b[s, k, n], for GPUs (common/tile.wgsl)
//
//   a    [batch, M, K] or, transposed, [batch, K, M]
//   b    [batch, K, N] or, transposed, [batch, N, K]
//   out  [batch, M, N]
//
// Strides are given in elements, so that transposed and shared operands need no copy. One workgroup
// per 64 x 64 block of a product.

struct Params {
  M: u32, N: u32, K: u32,
  a_batch: u32, a_m: u32, a_k: u32,
  b_batch: u32, b_k: u32, b_n: u32,
}

@group(0) @binding(0) var<storage, read>       a: array<f32>;
@group(0) @binding(1) var<storage, read>       b: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

const FOUR = vec4<u32>(0u, 1u, 2u, 3u);

/// Fills a slot of tile_a; beyond the last row, that row is loaded again.
fn fill_a(slot: Slot, group: vec3<u32>, first_k: u32) {
  let k = first_k + slot.k;
  let rows = min(group.y * 64u + 4u * slot.quad + FOUR, vec4<u32>(p.M - 1u));
  let i = group.z * p.a_batch + rows * p.a_m + k * p.a_k;
  var v = vec4<f32>();
  if (k < p.K) { v = vec4<f32>(load_a(i.x), load_a(i.y), load_a(i.z), load_a(i.w)); }
  tile_a[16u * slot.k + slot.quad] = v;
}

fn fill_b(slot: Slot, group: vec3<u32>, first_k: u32) {
  let k = first_k + slot.k;
  let columns = min(group.x * 64u + 4u * slot.quad + FOUR, vec4<u32>(p.N - 1u));
  let i = group.z * p.b_batch + k * p.b_k + columns * p.b_n;
  var v = vec4<f32>();
  if (k < p.K) { v = vec4<f32>(load_b(i.x), load_b(i.y), load_b(i.z), load_b(i.w)); }
  tile_b[16u * slot.k + slot.quad] = v;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  for (var k = 0u; k < p.K; k += DEPTH) {
    // Neighbouring threads read along the axis that is contiguous in memory.
    if (p.a_k == 1u) {
      fill_a(slot_along_k(thread, 0u), group, k);
      fill_a(slot_along_k(thread, 1u), group, k);
    } else {
      fill_a(slot_across(thread, 0u), group, k);
      fill_a(slot_across(thread, 1u), group, k);
    }
    if (p.b_k == 1u) {
      fill_b(slot_along_k(thread, 0u), group, k);
      fill_b(slot_along_k(thread, 1u), group, k);
    } else {
      fill_b(slot_across(thread, 0u), group, k);
      fill_b(slot_across(thread, 1u), group, k);
    }
    multiply_tiles(thread);
  }

  var sums = c; // a copy, as indexing c itself would keep it in memory all along
  for (var i = 0u; i < 16u; i++) {
    let m = group.y * 64u + row_of(thread, i);
    let columns = group.x * 64u + columns_of(thread, i);
    let row = (group.z * p.M + m) * p.N;
    for (var j = 0u; j < 4u; j++) {
      let to = row + columns[j];
      if (m < p.M && columns[j] < p.N) { out[to] = epilogue(sums[i / 4u][i % 4u][j], to); }
    }
  }
}
