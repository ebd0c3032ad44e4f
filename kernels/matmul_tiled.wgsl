// out[part, s, m, n] = sum over k of a[s, m, k] * b[s, k, n], for GPUs (common/tile.wgsl)
//
//   a    [batch, M, K] or, transposed, [batch, K, M]
//   b    [batch, K, N] or, transposed, [batch, N, K]
//   out  [parts, batch, M, N]   each part sums part_steps of k, from part * part_steps on
//
// Strides are given in elements, so that transposed and shared operands need no copy. One workgroup
// per ROWS x COLUMNS block of a product in a part.

struct Params {
  M: u32, N: u32, K: u32, products: u32, part_steps: u32,
  a_batch: u32, a_m: u32, a_k: u32,
  b_batch: u32, b_k: u32, b_n: u32,
}

@group(0) @binding(0) var<storage, read>       a: array<f32>;
@group(0) @binding(1) var<storage, read>       b: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

/// Four rows of a at k; beyond the last k that one is loaded again, as b is zero beyond its part.
fn fetch_a(rows: vec4<u32>, k: u32) -> vec4<f32> {
  let step = min(k, p.K - 1u);
  if (A_AT_ONCE == 4u) { return load4_a(rows.x / 4u + step * (p.a_k / 4u)); }
  let i = rows + step * p.a_k;
  return vec4<f32>(load_a(i.x), load_a(i.y), load_a(i.z), load_a(i.w));
}

fn fetch_b(columns: vec4<u32>, k: u32, end: u32) -> vec4<f32> {
  let step = min(k, p.K - 1u);
  var values: vec4<f32>;
  if (B_AT_ONCE == 4u) {
    values = load4_b(columns.x / 4u + step * (p.b_k / 4u));
  } else {
    let i = columns + step * p.b_k;
    values = vec4<f32>(load_b(i.x), load_b(i.y), load_b(i.z), load_b(i.w));
  }
  return select(vec4<f32>(), values, k < end);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  // Neighbouring threads load along the axis that is contiguous in memory; beyond the last row or
  // column, that one is loaded again.
  let in_a = slot_of(thread, A_QUADS, p.a_k == 1u);
  let in_b = slot_of(thread, B_QUADS, p.b_k == 1u);
  let product = group.z % p.products;
  let first = group.z / p.products * p.part_steps;
  let end = min(p.K, first + p.part_steps);
  let rows = product * p.a_batch +
    min(group.y * ROWS + rows_of(in_a.quad), vec4<u32>(p.M - A_AT_ONCE)) * p.a_m;
  let columns = product * p.b_batch +
    min(group.x * COLUMNS + columns_of(in_b.quad), vec4<u32>(p.N - B_AT_ONCE)) * p.b_n;
  let at = place_of(thread);

  keep(at.half, in_a, fetch_a(rows, first + in_a.k), in_b, fetch_b(columns, first + in_b.k, end));
  var half = 0u;
  for (var k = first + TURN; k < end + TURN; k += TURN) {
    workgroupBarrier();
    let next_a = fetch_a(rows, k + in_a.k);
    let next_b = fetch_b(columns, k + in_b.k, end);
    multiply(at.half + half, at);
    half = 1u - half;
    keep(at.half + half, in_a, next_a, in_b, next_b);
  }

  add_slices(thread);
  if (thread >= SLICE) { return; }
  var sums = c; // a copy, as indexing c itself would keep it in memory all along
  for (var i = 0u; i < LINES; i++) {
    let m = group.y * ROWS + line_row(at, i);
    let n = group.x * COLUMNS + line_columns(at, i);
    let row = (group.z * p.M + m) * p.N;
    let line = sums[i / 4u][i % 4u];
    if (B_AT_ONCE == 4u) {
      if (m < p.M && n.x < p.N) { store4_out((row + n.x) / 4u, line); }
      continue;
    }
    for (var j = 0u; j < 4u; j++) {
      if (m < p.M && n[j] < p.N) { out[row + n[j]] = epilogue(line[j], row + n[j]); }
    }
  }
}
