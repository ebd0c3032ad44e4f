// out[r, k] = (x[r, k] - mean[r]) / sqrt(var[r] + eps), with the biased variance of each row
//
//   x, out  [rows, cols]   row-major
//
// One workgroup of WG threads per row (common/row_*.wgsl); each thread takes every WG-th element. The variance is
// summed from differences to the mean, in a second pass: E[x^2] - E[x]^2 would cancel.

struct Params { rows: u32, cols: u32, eps: f32 }

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform>             p: Params;

fn compute(row: u32, lane: u32) {
  let start = row * p.cols;
  let cols = f32(p.cols);

  var sum = 0.0;
  for (var k = lane; k < p.cols; k += WG) { sum += load_x(start + k); }
  let mean = total(lane, sum) / cols;

  var squares = 0.0;
  for (var k = lane; k < p.cols; k += WG) {
    let d = load_x(start + k) - mean;
    squares += d * d;
  }
  let scale = inverseSqrt(total(lane, squares) / cols + p.eps);

  for (var k = lane; k < p.cols; k += WG) {
    let i = start + k;
    out[i] = epilogue((load_x(i) - mean) * scale, i);
  }
}
