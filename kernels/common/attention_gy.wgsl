// For kernels of attention's gradient (common/attention.wgsl), which also declare
// gy [batch, tokens, heads, width].

/// Four numbers of a row of gy, 0 beyond the width; beyond the last token, that one again.
fn quad_of_gy(n: u32, token: u32, head: u32, quad: u32) -> vec4<f32> {
  let start = ((n * p.tokens + min(token, p.tokens - 1u)) * p.heads + head) * p.width;
  let c = 4u * quad + vec4<u32>(0u, 1u, 2u, 3u);
  let at = start + min(c, vec4<u32>(p.width - 1u));
  let v = vec4<f32>(load_gy(at.x), load_gy(at.y), load_gy(at.z), load_gy(at.w));
  return select(vec4<f32>(), v, c < vec4<u32>(p.width));
}

fn matrix_of_gy(n: u32, token: u32, head: u32, quad: u32) -> mat4x4<f32> {
  return mat4x4<f32>(
    quad_of_gy(n, token, head, quad), quad_of_gy(n, token, head, quad + 1u),
    quad_of_gy(n, token, head, quad + 2u), quad_of_gy(n, token, head, quad + 3u),
  );
}

fn own_row_of_gy(n: u32, token: u32, head: u32) -> Row {
  return Row(
    matrix_of_gy(n, token, head, 0u), matrix_of_gy(n, token, head, 4u),
    matrix_of_gy(n, token, head, 8u), matrix_of_gy(n, token, head, 12u),
  );
}

/// Fills 16 rows of a tile, from row `first` on of gy.
fn fill_from_gy(tile_start: u32, n: u32, head: u32, first: u32, lane: u32) {
  for (var i = lane; i < 256u; i += THREADS) {
    tile[tile_start + i / 16u * PITCH + i % 16u] = quad_of_gy(n, first + i / 16u, head, i % 16u);
  }
}
