// gx[r, k] = (gy[r, k] - mean(gy[r]) - y[r, k] * mean(gy[r] * y[r])) / sqrt(var[r] + eps)
//
// The cotangent of `normalize`, where y is its output and var the variance of its input x.
//
//   x, gy, out  [rows, cols]   row-major
//
// One workgroup of WG threads per row (common/row_*.wgsl); each thread takes every WG-th element.
// y is made again from x, so that it need not be kept.

struct Params { rows: u32, cols: u32, eps: f32 }

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       gy: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

fn compute(row: u32, lane: u32) {
  let start = row * p.cols;
  let cols = f32(p.cols);

  var sum_x = 0.0;
  var sum_g = 0.0;
  for (var k = lane; k < p.cols; k += WG) {
    sum_x += load_x(start + k);
    sum_g += load_gy(start + k);
  }
  let mean_x = total(lane, sum_x) / cols;
  let mean_g = total(lane, sum_g) / cols;

  var squares = 0.0;
  var products = 0.0;
  for (var k = lane; k < p.cols; k += WG) {
    let d = load_x(start + k) - mean_x;
    squares += d * d;
    products += d * load_gy(start + k);
  }
  let scale = inverseSqrt(total(lane, squares) / cols + p.eps);
  let mean_gy = total(lane, products) / cols * scale;

  for (var k = lane; k < p.cols; k += WG) {
    let i = start + k;
    let y = (load_x(i) - mean_x) * scale;
    out[i] = epilogue((load_gy(i) - mean_g - y * mean_gy) * scale, i);
  }
}
