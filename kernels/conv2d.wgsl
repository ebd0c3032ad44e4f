// out[n, o, y, x] = sum over i, ky, kx of x[n, i, y*stride - pad + ky, x*stride - pad + kx] * w[o, i, ky, kx]
//
//   x    [n, I, h, w]
//   w    [O, I, kh, kw]
//   out  [n, O, oh, ow]
//
// One thread per output. Constants: WG threads per workgroup, ROW threads per row of the grid.

struct Params {
  count: u32, I: u32, h: u32, w: u32, O: u32, oh: u32, ow: u32, kh: u32, kw: u32,
  stride: i32, pad: i32,
}

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       w: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let at = id.y * ROW + id.x;
  if (at >= p.count) { return; }
  let x0 = i32(at % p.ow) * p.stride - p.pad;
  let y0 = i32(at / p.ow % p.oh) * p.stride - p.pad;
  let o = at / (p.ow * p.oh) % p.O;
  let n = at / (p.ow * p.oh * p.O);
  var sum = 0.0;
  for (var i = 0u; i < p.I; i++) {
    for (var ky = 0u; ky < p.kh; ky++) {
      let y = y0 + i32(ky);
      if (y < 0 || y >= i32(p.h)) { continue; }
      for (var kx = 0u; kx < p.kw; kx++) {
        let xx = x0 + i32(kx);
        if (xx < 0 || xx >= i32(p.w)) { continue; }
        sum += load_x(((n * p.I + i) * p.h + u32(y)) * p.w + u32(xx)) *
          load_w(((o * p.I + i) * p.kh + ky) * p.kw + kx);
      }
    }
  }
  out[at] = epilogue(sum, at);
}
