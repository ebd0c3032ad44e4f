// The tiles that Winograd's convolution F(2x2, 3x3) multiplies (Lavin and Gray 2016), 16 numbers of
// each window of x: Bᵀ d B of windows of 4x4 (WINDOW = 4), or A d Aᵀ of windows of 2x2, cotangents of
// a tile's outputs (WINDOW = 2). Windows lie two rows and two columns apart, x is 0 outside.
//
//   x    [batch, channels, h, w]
//   out  [16, channels, columns]   a tile a column, by sample, row and column, `tiles` of them from
//                                  `first` on; 0 beyond
//
// One thread per column of a channel. Constants: WG threads per workgroup, ROW threads per row of the
// grid, WINDOW.

struct Params {
  count: u32, channels: u32, h: i32, w: i32, pad: i32,
  down: u32, across: u32, first: u32, tiles: u32, columns: u32,
}

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform>             p: Params;

/// A row of a window, 0 where it leaves x.
fn window(plane: u32, y: i32, column: i32) -> vec4<f32> {
  let row = plane * u32(p.h) + u32(clamp(y, 0, p.h - 1));
  var d = vec4<f32>();
  for (var k = 0; k < i32(WINDOW); k++) {
    let at = column + k;
    let value = load_x(row * u32(p.w) + u32(clamp(at, 0, p.w - 1)));
    d[k] = select(0.0, value, y >= 0 && y < p.h && at >= 0 && at < p.w);
  }
  return d;
}

/// Bᵀ d, or A d: of four rows, or of two.
fn transformed(d: mat4x4<f32>) -> mat4x4<f32> {
  if (WINDOW == 4u) { return mat4x4<f32>(d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]); }
  return mat4x4<f32>(d[0], d[0] + d[1], d[0] - d[1], -d[1]);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.y * ROW + id.x;
  if (i >= p.count) { return; }
  let inside = i % p.columns < p.tiles;
  let tile = p.first + min(i % p.columns, p.tiles - 1u);
  let plane = tile / (p.across * p.down) * p.channels + i / p.columns;
  let y = i32(tile / p.across % p.down) * 2 - p.pad;
  let left = i32(tile % p.across) * 2 - p.pad;
  var rows = mat4x4<f32>();
  for (var k = 0; k < i32(WINDOW); k++) { rows[k] = window(plane, y + k, left); }
  let numbers = transpose(transformed(transpose(transformed(rows))));
  for (var k = 0u; k < 16u; k++) {
    let at = k * p.count + i;
    out[at] = epilogue(select(0.0, numbers[k / 4u][k % 4u], inside), at);
  }
}
