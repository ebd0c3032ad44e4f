// out[k, d] = table[ids[k], d]
//
//   table  [rows, width]   row-major
//   ids    [count]         every id below rows
//   out    [count, width]
//
// One thread per element. Constants: WG threads per workgroup, ROW threads per row of the grid.

struct Params { count: u32, width: u32 }

@group(0) @binding(0) var<storage, read>       table: array<f32>;
@group(0) @binding(1) var<storage, read>       ids: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.y * ROW + id.x;
  if (i >= p.count) { return; }
  out[i] = epilogue(table[ids[i / p.width] * p.width + i % p.width], i);
}
