// out[n, c, v, u] = sum over i, j of tent(y - i) * tent(x - j) * x[n, c, i, j],  tent(t) = max(0, 1 - |t|)
//
//   (x, y) = (m0 u + m1 v + m2, m3 u + m4 v + m5) / (m6 u + m7 v + m8)
//
//   x     [n, channels, h, w]           row-major; what lies outside counts 0
//   maps  [n, 9]                        m0 to m8 of each image
//   out   [n, channels, height, width]
//
// One thread per element. Constants: WG threads per workgroup, ROW threads per row of the grid.

struct Params { count: u32, channels: u32, height: u32, width: u32, h: u32, w: u32 }

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       maps: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.y * ROW + id.x;
  if (i >= p.count) { return; }
  let u = f32(i % p.width);
  let v = f32(i / p.width % p.height);
  let plane = i / (p.width * p.height);
  let place = warped(plane / p.channels, u, v);
  let first = floor(place);
  let share = place - first;
  var sum = 0.0;
  for (var dy = 0; dy < 2; dy++) {
    for (var dx = 0; dx < 2; dx++) {
      let column = i32(first.x) + dx;
      let row = i32(first.y) + dy;
      if (column < 0 || row < 0 || column >= i32(p.w) || row >= i32(p.h)) { continue; }
      let weight = select(1.0 - share.x, share.x, dx == 1) * select(1.0 - share.y, share.y, dy == 1);
      sum += weight * load_x((plane * p.h + u32(row)) * p.w + u32(column));
    }
  }
  out[i] = epilogue(sum, i);
}
