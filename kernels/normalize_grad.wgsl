// gx[r, k] = (gy[r, k] - mean(gy[r]) - y[r, k] * mean(gy[r] * y[r])) / sqrt(var[r] + eps)
//
// The cotangent of `normalize`, where y is its output and var the variance of its input x.
//
//   x, gy, out  [rows, cols]   row-major
//
// One workgroup of WG threads per row; each thread takes every WG-th element. y is made again from
// x, so that it need not be kept.

struct Params { rows: u32, cols: u32, eps: f32 }

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       gy: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

var<workgroup> partial: array<f32, WG>;

fn mean_of(lane: u32, value: f32) -> f32 {
  partial[lane] = value;
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { partial[lane] += partial[lane + half]; }
  }
  workgroupBarrier();
  let sum = partial[0];
  workgroupBarrier();
  return sum / f32(p.cols);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * ROW_GROUPS + group.x;
  if (row >= p.rows) { return; }
  let start = row * p.cols;

  var sum_x = 0.0;
  var sum_g = 0.0;
  for (var k = lane; k < p.cols; k += WG) {
    sum_x += load_x(start + k);
    sum_g += load_gy(start + k);
  }
  let mean_x = mean_of(lane, sum_x);
  let mean_g = mean_of(lane, sum_g);

  var squares = 0.0;
  var products = 0.0;
  for (var k = lane; k < p.cols; k += WG) {
    let d = load_x(start + k) - mean_x;
    squares += d * d;
    products += d * load_gy(start + k);
  }
  let scale = inverseSqrt(mean_of(lane, squares) + p.eps);
  let mean_gy = mean_of(lane, products) * scale;

  for (var k = lane; k < p.cols; k += WG) {
    let i = start + k;
    let y = (load_x(i) - mean_x) * scale;
    out[i] = epilogue((load_gy(i) - mean_g - y * mean_gy) * scale, i);
  }
}
