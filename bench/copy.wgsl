// Moves memory and computes nothing: what an adapter reads and writes at most.
//
//   from, to  [count]  as vectors of four
//
// One thread for each vector of a row of `row` threads, then on by the length of the grid.

struct Params { count: u32, threads: u32 }

@group(0) @binding(0) var<storage, read_write> source: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(2) var<uniform>             p: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  for (var i = id.x; i < p.count; i += p.threads) {
    out[i] = source[i];
  }
}
