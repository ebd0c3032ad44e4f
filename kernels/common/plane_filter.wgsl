// For kernels that filter planes x [planes, h, w] by f [kh, kw], both without an outside.

/// A tap, 0 where there is none.
fn tap(ky: i32, kx: i32) -> f32 {
  if (ky < 0 || ky >= p.kh || kx < 0 || kx >= p.kw) { return 0.0; }
  let k = ky * p.kw + kx;
  return f[select(p.kh * p.kw - 1 - k, k, p.correlate == 1u)];
}

/// A sample, 0 outside.
fn sample(plane: u32, y: i32, column: i32) -> f32 {
  // A load for every thread costs less than to branch around it.
  let row = plane * u32(p.h) + u32(clamp(y, 0, p.h - 1));
  let value = load_x(row * u32(p.w) + u32(clamp(column, 0, p.w - 1)));
  return select(0.0, value, y >= 0 && y < p.h && column >= 0 && column < p.w);
}
