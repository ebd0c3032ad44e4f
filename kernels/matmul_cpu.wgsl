// out[s, m, n] = sum over k of a[s, m, k] * b[s, k, n], for software adapters (common/lanes.wgsl)
//
//   a    [batch, M, K] or, transposed, [batch, K, M]
//   b    [batch, K, N] or, transposed, [batch, N, K]
//   out  [batch, M, N]
//
// Strides are given in elements, so that transposed and shared operands need no copy, nor do parts of
// larger tensors: those of product s begin at start + s / inner * outer + s % inner * batch. One workgroup
// of LANES threads per ROWS x COLUMNS block of a product. A thread sums every eighth column, in all
// rows; it loads its own columns of b and the elements of every eighth row of a, which the threads
// share. Constants: LANES, ROWS (8, 32, 40 or 48), COLUMNS (32, 64, or 72: CLIP's images have one token
// more than they have patches).

struct Params {
  M: u32, N: u32, K: u32, inner: u32,
  a_start: u32, a_outer: u32, a_batch: u32, a_m: u32, a_k: u32,
  b_start: u32, b_outer: u32, b_batch: u32, b_k: u32, b_n: u32,
  out_outer: u32, out_batch: u32, out_m: u32,
}

@group(0) @binding(0) var<storage, read>       a: array<f32>;
@group(0) @binding(1) var<storage, read>       b: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

const EIGHTS = vec4<u32>(0u, 8u, 16u, 24u);

const HALVES = COLUMNS / 32u;
const HAS_LAST = COLUMNS % 32u != 0u;

// Rows 4 q .. 4 q + 3 of four columns in the left half are matrix HALVES * q; the right half follows.
var<private> c: array<mat4x4<f32>, ROWS / 4u * HALVES>;
// The same rows of the column behind, if there is one.
var<private> d: array<vec4<f32>, ROWS / 4u>;

/// Adds rows 8 i .. 8 i + 7: `v`, of row 8 i + lane, times the columns of this thread.
fn add(i: u32, v: f32, left: vec4<f32>, right: vec4<f32>, last: f32) {
  let upper = four(v, 0u);
  let lower = four(v, 4u);
  if (HAS_LAST) {
    d[2u * i] += upper * last;
    d[2u * i + 1u] += lower * last;
  }
  c[2u * i * HALVES] += outer(upper, left);
  c[(2u * i + 1u) * HALVES] += outer(lower, left);
  if (HALVES == 2u) {
    c[4u * i + 1u] += outer(upper, right);
    c[4u * i + 3u] += outer(lower, right);
  }
}

fn columns_of_b(i: vec4<u32>) -> vec4<f32> {
  return vec4<f32>(load_b(i.x), load_b(i.y), load_b(i.z), load_b(i.w));
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let rows = group.y * ROWS + lane + EIGHTS;
  let left = group.x * COLUMNS + lane + EIGHTS;
  let right = left + 32u;
  let outer_index = group.z / p.inner;
  let inner_index = group.z % p.inner;
  let start_a = p.a_start + outer_index * p.a_outer + inner_index * p.a_batch;
  let start_b = p.b_start + outer_index * p.b_outer + inner_index * p.b_batch;
  // Beyond the edge the last row and column are loaded again.
  let at_rows = start_a + min(rows, vec4<u32>(p.M - 1u)) * p.a_m;
  let at_more = start_a + min(rows.w + vec2<u32>(8u, 16u), vec2<u32>(p.M - 1u)) * p.a_m;
  let at_left = start_b + min(left, vec4<u32>(p.N - 1u)) * p.b_n;
  let at_right = start_b + min(right, vec4<u32>(p.N - 1u)) * p.b_n;
  let at_last = start_b + min(left.x + 32u * HALVES, p.N - 1u) * p.b_n;

  for (var k = 0u; k < p.K; k++) {
    // All loads before all sums: around the branches of a load, sums have to leave their registers.
    let l = columns_of_b(at_left + k * p.b_k);
    var r: vec4<f32>;
    if (HALVES == 2u) { r = columns_of_b(at_right + k * p.b_k); }
    var e: f32;
    if (HAS_LAST) { e = load_b(at_last + k * p.b_k); }
    let at = at_rows + k * p.a_k;
    if (ROWS == 8u) {
      add(0u, load_a(at.x), l, r, e);
    } else {
      let v = vec4<f32>(load_a(at.x), load_a(at.y), load_a(at.z), load_a(at.w));
      var more: vec2<f32>;
      let below = at_more + k * p.a_k;
      if (ROWS > 32u) { more.x = load_a(below.x); }
      if (ROWS > 40u) { more.y = load_a(below.y); }
      add(0u, v.x, l, r, e);
      add(1u, v.y, l, r, e);
      add(2u, v.z, l, r, e);
      add(3u, v.w, l, r, e);
      if (ROWS > 32u) { add(4u, more.x, l, r, e); }
      if (ROWS > 40u) { add(5u, more.y, l, r, e); }
    }
  }

  // Bounds that only the device knows keep these loops, and with them what is fused into the
  // epilogue, from being compiled many times over. `sums` is a copy, as indexing c would keep that
  // in memory all along.
  var sums = c;
  var sums_behind = d;
  let rows_left = min(ROWS, p.M - group.y * ROWS);
  let parts = HALVES + u32(HAS_LAST);
  for (var i = 0u; i < rows_left * parts; i++) {
    let m = i / parts;
    let part = i % parts;
    let first = left.x + 32u * part;
    var sum = vec4<f32>(sums_behind[m / 4u][m % 4u]);
    var end = min(p.N, first + 8u);
    if (part < HALVES) {
      sum = sums[m / 4u * HALVES + part][m % 4u];
      end = min(p.N, first + 32u);
    }
    let row = outer_index * p.out_outer + inner_index * p.out_batch + (group.y * ROWS + m) * p.out_m;
    for (var n = first; n < end; n += 8u) {
      out[row + n] = epilogue(sum[(n - first) / 8u], row + n);
    }
  }
}
