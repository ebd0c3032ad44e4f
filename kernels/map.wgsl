// out[i] = value(i), where `value` is generated from fused elementwise and gather ops.
//
// One thread per element. Constants: WG threads per workgroup, ROW threads per row of the grid.

struct Params { count: u32 }

@group(0) @binding(0) var<storage, read_write> out: array<f32>;
@group(0) @binding(1) var<uniform>             p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.y * ROW + id.x;
  if (i >= p.count) { return; }
  out[i] = value(i);
}
