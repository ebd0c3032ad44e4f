// For kernels with one workgroup of WG threads per row, which `compute` it.

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * ROW_GROUPS + group.x;
  if (row < p.rows) { compute(row, lane); }
}
