// out[r] = sum over k of x[r, k]
//
//   x    [rows, cols]   row-major
//   out  [rows]
//
// One workgroup of WG threads per row: each thread sums every WG-th element, then the partial sums
// are added as a tree. Adding pairs of similar size also keeps the rounding error small.

struct Params { rows: u32, cols: u32 }

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform>             p: Params;

var<workgroup> partial: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * ROW_GROUPS + group.x;
  if (row >= p.rows) { return; }
  var sum = 0.0;
  for (var k = lane; k < p.cols; k += WG) {
    sum += load_x(row * p.cols + k);
  }
  partial[lane] = sum;
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { partial[lane] += partial[lane + half]; }
  }
  if (lane == 0u) { out[row] = epilogue(partial[0], row); }
}
