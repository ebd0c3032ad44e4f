// out[n, c, i, j] = sum over u, v of tent(y - i) * tent(x - j) * gy[n, c, v, u],  tent(t) = max(0, 1 - |t|)
//
// where (x, y) is the place that pixel (u, v) shows, as in warp.wgsl.
//
//   gy    [n, channels, height, width]  row-major
//   maps  [n, 9]                        of each image; its denominator does not change sign
//   out   [n, channels, h, w]           the cotangent of the images
//
// One thread per element of the images: without atomic additions the sum has a fixed order. The
// pixels that show element (i, j) lie in the inverse image of the square around it, a quadrilateral:
// all in the rectangle around that are asked.
// Constants: WG threads per workgroup, ROW threads per row of the grid.

struct Params { count: u32, channels: u32, height: u32, width: u32, h: u32, w: u32 }

@group(0) @binding(0) var<storage, read>       gy: array<f32>;
@group(0) @binding(1) var<storage, read>       maps: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.y * ROW + id.x;
  if (i >= p.count) { return; }
  let here = vec2(f32(i % p.w), f32(i / p.w % p.h));
  let plane = i / (p.w * p.h);
  let n = plane / p.channels;

  let m = 9u * n;
  let a = vec3(maps[m], maps[m + 1u], maps[m + 2u]);
  let b = vec3(maps[m + 3u], maps[m + 4u], maps[m + 5u]);
  let c = vec3(maps[m + 6u], maps[m + 7u], maps[m + 8u]);
  // Columns of the inverse but for a factor, which the division by the depth takes out.
  let inverse = mat3x3(cross(b, c), cross(c, a), cross(a, b));
  var low = vec2(f32(p.width), f32(p.height));
  var high = vec2(-1.0);
  for (var k = 0u; k < 4u; k++) {
    let corner = here + vec2(select(-1.0, 1.0, (k & 1u) == 1u), select(-1.0, 1.0, k > 1u));
    let seen = inverse * vec3(corner, 1.0);
    low = min(low, seen.xy / seen.z);
    high = max(high, seen.xy / seen.z);
  }
  let first = vec2<i32>(max(floor(low), vec2(0.0)));
  let last = vec2<i32>(min(ceil(high), vec2(f32(p.width) - 1.0, f32(p.height) - 1.0)));

  var sum = 0.0;
  for (var v = first.y; v <= last.y; v++) {
    for (var u = first.x; u <= last.x; u++) {
      let away = abs(warped(n, f32(u), f32(v)) - here);
      if (away.x >= 1.0 || away.y >= 1.0) { continue; }
      let weight = (1.0 - away.x) * (1.0 - away.y);
      sum += weight * load_gy((plane * p.height + u32(v)) * p.width + u32(u));
    }
  }
  out[i] = epilogue(sum, i);
}
