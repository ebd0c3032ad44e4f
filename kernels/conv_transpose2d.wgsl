// out[n, i, y, x] = sum over o, ky, kx of x[n, o, (y + pad - ky)/stride, (x + pad - kx)/stride] * w[o, i, ky, kx]
//
// where the divisions leave no rest: the gradient of conv2d with respect to its input.
//
//   x    [n, O, h, w]
//   w    [O, I, kh, kw]
//   out  [n, I, oh, ow]
//
// One thread per output. Constants: WG threads per workgroup, ROW threads per row of the grid.

struct Params {
  count: u32, O: u32, h: u32, w: u32, I: u32, oh: u32, ow: u32, kh: u32, kw: u32,
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
  let x0 = i32(at % p.ow) + p.pad;
  let y0 = i32(at / p.ow % p.oh) + p.pad;
  let i = at / (p.ow * p.oh) % p.I;
  let n = at / (p.ow * p.oh * p.I);
  var sum = 0.0;
  for (var ky = y0 % p.stride; ky < i32(p.kh); ky += p.stride) {
    let y = (y0 - ky) / p.stride;
    if (y0 < ky || y >= i32(p.h)) { continue; }
    for (var kx = x0 % p.stride; kx < i32(p.kw); kx += p.stride) {
      let xx = (x0 - kx) / p.stride;
      if (x0 < kx || xx >= i32(p.w)) { continue; }
      for (var o = 0u; o < p.O; o++) {
        sum += load_x(((n * p.O + o) * p.h + u32(y)) * p.w + u32(xx)) *
          load_w(((o * p.I + i) * p.kh + u32(ky)) * p.kw + u32(kx));
      }
    }
  }
  out[at] = epilogue(sum, at);
}
