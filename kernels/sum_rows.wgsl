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

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * ROW_GROUPS + group.x;
  if (row >= p.rows) { return; }
  var sum = 0.0;
  for (var k = lane; k < p.cols; k += WG) {
    sum += load_x(row * p.cols + k);
  }
  let all = total(lane, sum);
  if (lane == 0u) { out[row] = epilogue(all, row); }
}
