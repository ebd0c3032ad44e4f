// out[i] = a normal number from (i, key, stream), the same bits on every device
//
//   key    [2]         seed and counter
//   table  [32 * 65]   upper quantiles of the normal distribution in units of 2^-20: row k, column s
//                      is the x with P(X > x) = 2^-(k+2) * (1 + s/64)
//   out    [count]
//
// The hash is pcg4d (Jarzynski & Olano 2020, "Hash Functions for GPU Rendering"). Everything is
// integer arithmetic up to the last conversion, which is exact since |x| < 8 * 2^20: floating point
// (log, cos, contraction) differs between devices, integers do not.
//
// One thread per element. Constants: WG threads per workgroup, ROW threads per row of the grid.

struct Params { count: u32, stream: u32 }

@group(0) @binding(0) var<storage, read>       key: array<u32>;
@group(0) @binding(1) var<storage, read>       table: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

fn pcg4d(input: vec4<u32>) -> vec4<u32> {
  var v = input * 1664525u + 1013904223u;
  v.x += v.y * v.w; v.y += v.z * v.x; v.z += v.x * v.y; v.w += v.y * v.z;
  v ^= v >> vec4<u32>(16u);
  v.x += v.y * v.w; v.y += v.z * v.x; v.z += v.x * v.y; v.w += v.y * v.z;
  return v;
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.y * ROW + id.x;
  if (i >= p.count) { return; }
  let bits = pcg4d(vec4<u32>(i, key[0], key[1], p.stream)).x;

  // 31 bits of tail probability, by its power of two and the 16 bits that follow.
  let tail = bits & 0x7fffffffu;
  let octave = min(countLeadingZeros(tail) - 1u, 30u);
  let fraction = (tail << (octave + 2u)) >> 16u;
  let at = octave * 65u + (fraction >> 10u);
  let near = table[at];
  let step = near - table[at + 1u];
  let magnitude = f32(near - ((step * (fraction & 1023u)) >> 10u)) * 0x1p-20f;
  out[i] = epilogue(select(magnitude, -magnitude, (bits >> 31u) == 1u), i);
}
