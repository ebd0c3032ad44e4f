// out[r, d] = sum of gy[k, d] over all k with ids[k] = r
//
//   gy   [ids, width]    row-major
//   ids  [ids]
//   out  [rows, width]   the cotangent of the table
//
// One thread per element of the table: without atomic additions the sum has a fixed order.

struct Params { count: u32, width: u32, ids: u32 }

@group(0) @binding(0) var<storage, read>       gy: array<f32>;
@group(0) @binding(1) var<storage, read>       ids: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.y * ROW + id.x;
  if (i >= p.count) { return; }
  let row = i / p.width;
  var sum = 0.0;
  for (var k = 0u; k < p.ids; k++) {
    if (ids[k] == row) { sum += load_gy(k * p.width + i % p.width); }
  }
  out[i] = epilogue(sum, i);
}
