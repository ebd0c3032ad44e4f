// Zero insertion by `up`, padding, convolution with f, and keeping every `down`-th sample
// (StyleGAN2, Karras et al. 2020, appendix B):
//
//   out[c, oy, ox] = sum over ky, kx of f[kh-1-ky, kw-1-kx] * u[c, oy*down + ky - top, ox*down + kx - left]
//   u[c, y*up, x*up] = x[c, y, x], and 0 elsewhere
//
//   x    [planes, h, w]     row-major
//   f    [kh, kw]           flipped as written here; with correlate = 1 it is not
//   out  [planes, oh, ow]
//
// One thread per output element. Constants: WG threads per workgroup, ROW threads per row of the grid, UP
// and DOWN, which are 0 where the parameters say them: dividing by what is known takes less.

struct Params {
  count: u32, h: u32, w: u32, oh: u32, ow: u32,
  kh: u32, kw: u32, up: i32, down: i32, left: i32, top: i32, correlate: u32,
}

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       f: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.y * ROW + id.x;
  if (i >= p.count) { return; }
  let up = select(i32(UP), p.up, UP == 0u);
  let down = select(i32(DOWN), p.down, DOWN == 0u);
  let y0 = i32(i / p.ow % p.oh) * down - p.top;
  let x0 = i32(i % p.ow) * down - p.left;
  let plane = i / (p.ow * p.oh) * p.h * p.w;
  // The first tap that meets a sample and not an inserted zero.
  let ky0 = (up - y0 % up) % up;
  let kx0 = (up - x0 % up) % up;
  var sum = 0.0;
  for (var ky = ky0; ky < i32(p.kh); ky += up) {
    let y = (y0 + ky) / up;
    if (y0 + ky < 0 || y >= i32(p.h)) { continue; }
    for (var kx = kx0; kx < i32(p.kw); kx += up) {
      let xx = (x0 + kx) / up;
      if (x0 + kx < 0 || xx >= i32(p.w)) { continue; }
      let tap = u32(ky) * p.kw + u32(kx);
      let k = select(p.kh * p.kw - 1u - tap, tap, p.correlate == 1u);
      sum += f[k] * load_x(plane + u32(y) * p.w + u32(xx));
    }
  }
  out[i] = epilogue(sum, i);
}
