// For kernels with one workgroup of WG threads per row: what the threads of a row make together.
// Pairs of similar size are added, as a tree, which also keeps the rounding error small.

var<workgroup> partial: array<f32, WG>;

/// The sum of all threads' values, in every thread.
fn total(lane: u32, value: f32) -> f32 {
  partial[lane] = value;
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { partial[lane] += partial[lane + half]; }
  }
  workgroupBarrier();
  let sum = partial[0];
  workgroupBarrier();
  return sum;
}

/// The largest of all threads' values, in every thread.
fn largest(lane: u32, value: f32) -> f32 {
  partial[lane] = value;
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { partial[lane] = max(partial[lane], partial[lane + half]); }
  }
  workgroupBarrier();
  let value_of_all = partial[0];
  workgroupBarrier();
  return value_of_all;
}
