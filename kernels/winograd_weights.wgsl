// The 16 numbers of weights that Winograd's F(2x2, 3x3) multiplies (Lavin and Gray 2016): G g Gᵀ.
//
//   w    [O, I, 3, 3] or, where turned is 1, [I, O, 3, 3] turned around: those of a transposed convolution
//   out  [16, I + .., O]   zeros beyond channel I
//
// One thread per pair of channels. Constants: WG threads per workgroup, ROW threads per row of the
// grid.

struct Params { count: u32, O: u32, I: u32, turned: u32 }

@group(0) @binding(0) var<storage, read>       w: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform>             p: Params;

/// Row k of the weights.
fn row(at: u32, k: u32) -> vec3<f32> {
  if (p.turned == 1u) {
    let end = at + 8u - 3u * k;
    return vec3<f32>(load_w(end), load_w(end - 1u), load_w(end - 2u));
  }
  return vec3<f32>(load_w(at + 3u * k), load_w(at + 3u * k + 1u), load_w(at + 3u * k + 2u));
}

/// Four numbers of a row.
fn keep(i: u32, k: u32, g: vec3<f32>) {
  let to = 4u * k * p.count + i;
  let outer = 0.5 * (g.x + g.z);
  out[to] = epilogue(g.x, to);
  out[to + p.count] = epilogue(outer + 0.5 * g.y, to + p.count);
  out[to + 2u * p.count] = epilogue(outer - 0.5 * g.y, to + 2u * p.count);
  out[to + 3u * p.count] = epilogue(g.z, to + 3u * p.count);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.y * ROW + id.x;
  if (i >= p.count) { return; }
  let channel = min(i / p.O, p.I - 1u);
  let o = i % p.O;
  let at = 9u * select(o * p.I + channel, channel * p.O + o, p.turned == 1u);
  let scale = select(0.0, 1.0, i / p.O < p.I);
  let upper = scale * row(at, 0u);
  let middle = scale * 0.5 * row(at, 1u);
  let lower = scale * row(at, 2u);
  let outer = 0.5 * (upper + lower);
  keep(i, 0u, upper);
  keep(i, 1u, outer + middle);
  keep(i, 2u, outer - middle);
  keep(i, 3u, lower);
}
