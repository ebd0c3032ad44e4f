// For kernels with a thread for each column of x, `p.len_in` samples that are `p.inner` apart.

/// Sample j of the column that begins at `first`, 0 outside of it.
fn sample_x(first: u32, j: i32) -> f32 {
  // A load for every thread costs less than to branch around it.
  let value = load_x(first + u32(clamp(j, 0, p.len_in - 1)) * p.inner);
  return select(0.0, value, j >= 0 && j < p.len_in);
}
