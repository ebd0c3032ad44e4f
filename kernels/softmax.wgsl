// out[r, k] = exp(x[r, k] - m[r]) / sum over j of exp(x[r, j] - m[r]),  m[r] = max over j of x[r, j]
//
//   x, out  [rows, cols]   row-major
//
// One workgroup of WG threads per row (common/row_*.wgsl); each thread takes every WG-th element.

struct Params { rows: u32, cols: u32 }

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform>             p: Params;

fn compute(row: u32, lane: u32) {
  let start = row * p.cols;

  // Every thread begins with an element of the row, so short rows need no neutral value.
  var high = load_x(start + min(lane, p.cols - 1u));
  for (var k = lane; k < p.cols; k += WG) { high = max(high, load_x(start + k)); }
  let m = largest(lane, high);

  var sum = 0.0;
  for (var k = lane; k < p.cols; k += WG) { sum += exp(load_x(start + k) - m); }
  let all = total(lane, sum);

  for (var k = lane; k < p.cols; k += WG) {
    let i = start + k;
    out[i] = epilogue(exp(load_x(i) - m) / all, i);
  }
}
