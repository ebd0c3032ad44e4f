// For kernels of attention over heads of up to 64 numbers. The kernel declares qkv [batch, tokens, 3,
// heads, width] and Params with tokens, heads and width.
//
// A workgroup has 64 threads for 16 rows (tokens) of one head, four to a row. These four take turns at
// the other rows, which all 16 meet and which go through tiles of 16; in the end they add up what they
// have. 64 numbers are kept in four matrices, as what is indexed by a variable would not be in
// registers.

const THREADS = 64u;
const ROWS = 16u;
const SLICES = 4u;
/// Vectors from one row of a tile to the next: one more than a row has, so that neighbouring rows lie
/// in different banks.
const PITCH = 17u;
/// Where the second tile begins.
const SECOND = 272u;

var<workgroup> tile: array<vec4<f32>, 544>;

struct Row { a: mat4x4<f32>, b: mat4x4<f32>, c: mat4x4<f32>, d: mat4x4<f32> }

/// Where a row of qkv begins, for q, k and v as part 0, 1 and 2.
fn row_of_qkv(n: u32, token: u32, part: u32, head: u32) -> u32 {
  return (((n * p.tokens + token) * 3u + part) * p.heads + head) * p.width;
}

/// Four of its numbers, 0 beyond the width.
fn quad_of_qkv(start: u32, quad: u32) -> vec4<f32> {
  let c = 4u * quad + vec4<u32>(0u, 1u, 2u, 3u);
  let at = start + min(c, vec4<u32>(p.width - 1u));
  let v = vec4<f32>(load_qkv(at.x), load_qkv(at.y), load_qkv(at.z), load_qkv(at.w));
  return select(vec4<f32>(), v, c < vec4<u32>(p.width));
}

/// Fills 16 rows of a tile, from row `first` on of one part; beyond the last row, that one again.
fn fill_from_qkv(tile_start: u32, n: u32, head: u32, part: u32, first: u32, lane: u32) {
  for (var i = lane; i < 256u; i += THREADS) {
    let start = row_of_qkv(n, min(first + i / 16u, p.tokens - 1u), part, head);
    tile[tile_start + i / 16u * PITCH + i % 16u] = quad_of_qkv(start, i % 16u);
  }
}

fn matrix(at: u32) -> mat4x4<f32> {
  return mat4x4<f32>(tile[at], tile[at + 1u], tile[at + 2u], tile[at + 3u]);
}

fn matrix_of_qkv(start: u32, quad: u32) -> mat4x4<f32> {
  return mat4x4<f32>(
    quad_of_qkv(start, quad), quad_of_qkv(start, quad + 1u),
    quad_of_qkv(start, quad + 2u), quad_of_qkv(start, quad + 3u),
  );
}

/// A row of qkv; beyond the last token, that one again.
fn own_row(n: u32, token: u32, part: u32, head: u32) -> Row {
  let start = row_of_qkv(n, min(token, p.tokens - 1u), part, head);
  return Row(
    matrix_of_qkv(start, 0u), matrix_of_qkv(start, 4u),
    matrix_of_qkv(start, 8u), matrix_of_qkv(start, 12u),
  );
}

fn dot_four(m: mat4x4<f32>, at: u32) -> f32 {
  return dot(m[0], tile[at]) + dot(m[1], tile[at + 1u]) + dot(m[2], tile[at + 2u]) +
    dot(m[3], tile[at + 3u]);
}

/// The product of a row with one of a tile.
fn dot_row(r: Row, at: u32) -> f32 {
  return dot_four(r.a, at) + dot_four(r.b, at + 4u) + dot_four(r.c, at + 8u) +
    dot_four(r.d, at + 12u);
}

/// `shrink` times `r` plus `s` times a row of a tile.
fn add_row(r: Row, shrink: f32, s: f32, at: u32) -> Row {
  return Row(
    shrink * r.a + s * matrix(at), shrink * r.b + s * matrix(at + 4u),
    shrink * r.c + s * matrix(at + 8u), shrink * r.d + s * matrix(at + 12u),
  );
}

/// Puts half of what each thread has where those of its row find it; all threads take part.
fn exchange(left: mat4x4<f32>, right: mat4x4<f32>, lane: u32) {
  workgroupBarrier();
  let at = 8u * lane;
  tile[at] = left[0]; tile[at + 1u] = left[1]; tile[at + 2u] = left[2]; tile[at + 3u] = left[3];
  tile[at + 4u] = right[0]; tile[at + 5u] = right[1]; tile[at + 6u] = right[2]; tile[at + 7u] = right[3];
  workgroupBarrier();
}

/// Vector `quad` of the eight that were exchanged, summed over the threads of the row with weights.
fn weighted(quad: u32, weights: vec4<f32>, lane: u32) -> vec4<f32> {
  let at = lane / SLICES * 32u + quad;
  return weights.x * tile[at] + weights.y * tile[at + 8u] + weights.z * tile[at + 16u] +
    weights.w * tile[at + 24u];
}

/// Stores two of the eight vectors that were exchanged, which begin with vector `first` of the row.
fn store(start: u32, token: u32, first: u32, weights: vec4<f32>, lane: u32) {
  for (var quad = lane % SLICES; quad < 8u; quad += SLICES) {
    let result = weighted(quad, weights, lane);
    for (var j = 0u; j < 4u; j++) {
      let c = 4u * (first + quad) + j;
      if (token < p.tokens && c < p.width) {
        out[start + c] = epilogue(result[j], start + c);
      }
    }
  }
}
