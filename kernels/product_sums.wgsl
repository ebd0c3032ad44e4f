// out[r] = sum over k of (a[r, k], a[r, k] * b[r, k], a[r, k] * c[r, k])
//
//   a, b, c  [rows, cols]   row-major
//   out      [rows, 3]
//
// One workgroup of WG threads per row (common/row_*.wgsl): each thread sums every WG-th element.

struct Params { rows: u32, cols: u32 }

@group(0) @binding(0) var<storage, read>       a: array<f32>;
@group(0) @binding(1) var<storage, read>       b: array<f32>;
@group(0) @binding(2) var<storage, read>       c: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<uniform>             p: Params;

fn compute(row: u32, lane: u32) {
  var sums = vec3<f32>();
  for (var k = lane; k < p.cols; k += WG) {
    let i = row * p.cols + k;
    sums += load_a(i) * vec3<f32>(1.0, load_b(i), load_c(i));
  }
  let all = vec3<f32>(total(lane, sums.x), total(lane, sums.y), total(lane, sums.z));
  if (lane < 3u) { out[3u * row + lane] = epilogue(all[lane], 3u * row + lane); }
}
