// out[r] = sum over k of x[r, k]
//
//   x    [rows, cols]   row-major
//   out  [rows]
//
// One workgroup of WG threads per row (common/row_*.wgsl): each thread sums every WG-th element.

struct Params { rows: u32, cols: u32 }

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform>             p: Params;

fn compute(row: u32, lane: u32) {
  var sum = 0.0;
  for (var k = lane; k < p.cols; k += WG) {
    sum += load_x(row * p.cols + k);
  }
  let all = total(lane, sum);
  if (lane == 0u) { out[row] = epilogue(all, row); }
}
