// Column and row in image n that pixel (u, v) of its window shows. The kernel declares `maps`.
fn warped(n: u32, u: f32, v: f32) -> vec2<f32> {
  let m = 9u * n;
  let depth = maps[m + 6u] * u + maps[m + 7u] * v + maps[m + 8u];
  return vec2(
    maps[m] * u + maps[m + 1u] * v + maps[m + 2u],
    maps[m + 3u] * u + maps[m + 4u] * v + maps[m + 5u],
  ) / depth;
}
