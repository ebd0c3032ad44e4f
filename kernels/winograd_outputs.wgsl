// The outputs of Winograd's convolution F(2x2, 3x3) (Lavin and Gray 2016): Aᵀ m A of each tile's 16
// numbers, two rows of two pixels.
//
//   m    [16, channels, columns]       a tile a column, by sample, row and column
//   out  [batch, channels, oh, ow]
//
// One thread per tile of a channel. Constants: WG threads per workgroup, ROW threads per row of the
// grid.

struct Params {
  count: u32, channels: u32, columns: u32, tiles: u32, down: u32, across: u32, oh: u32, ow: u32,
}

@group(0) @binding(0) var<storage, read>       m: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform>             p: Params;

/// Aᵀ m: two rows of four.
fn transformed(a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) -> array<vec4<f32>, 2> {
  return array<vec4<f32>, 2>(a + b + c, b - c - d);
}

fn row_of(k: u32, at: u32) -> vec4<f32> {
  let step = p.channels * p.columns;
  let first = 4u * k * step + at;
  return vec4<f32>(
    load_m(first), load_m(first + step), load_m(first + 2u * step), load_m(first + 3u * step),
  );
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.y * ROW + id.x;
  if (i >= p.count) { return; }
  let tile = i % p.tiles;
  let channel = i / p.tiles;
  let at = channel * p.columns + tile;
  let rows = transformed(row_of(0u, at), row_of(1u, at), row_of(2u, at), row_of(3u, at));
  let plane = tile / (p.across * p.down) * p.channels + channel;
  let y = tile / p.across % p.down * 2u;
  let x = tile % p.across * 2u;
  for (var k = 0u; k < min(2u, p.oh - y); k++) {
    let r = rows[k];
    let to = (plane * p.oh + y + k) * p.ow + x;
    out[to] = epilogue(r.x + r.y + r.z, to);
    if (x + 1u < p.ow) { out[to + 1u] = epilogue(r.y - r.z - r.w, to + 1u); }
  }
}
