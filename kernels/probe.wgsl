// out[i] = i * i + 1
//
//   out  [count]   u32
//
// One thread per element. Shows that a device compiles, runs and gives back what was computed.

@group(0) @binding(0) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= arrayLength(&out)) { return; }
  out[id.x] = id.x * id.x + 1u;
}
