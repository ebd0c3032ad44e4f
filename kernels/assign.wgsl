// state = value
//
//   state, value  [count]
//
// One thread per element.

struct Params { count: u32 }

@group(0) @binding(0) var<storage, read_write> state: array<f32>;
@group(0) @binding(1) var<storage, read>       value: array<f32>;
@group(0) @binding(2) var<uniform>             p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.y * ROW + id.x;
  if (i >= p.count) { return; }
  state[i] = value[i];
}
