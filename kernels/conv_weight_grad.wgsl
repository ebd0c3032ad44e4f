// out[o, i, ky, kx] = sum over n, y, x of gy[n, o, y, x] * x[n, i, y*stride - pad + ky, x*stride - pad + kx]
//
//   x    [batch, I, h, w]
//   gy   [batch, O, oh, ow]
//   out  [O, I, kh, kw]
//
// One thread per output. Constants: WG threads per workgroup, ROW threads per row of the grid.

struct Params {
  count: u32, batch: u32, I: u32, h: u32, w: u32, O: u32, oh: u32, ow: u32, kh: u32, kw: u32,
  stride: i32, pad: i32,
}

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       gy: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let at = id.y * ROW + id.x;
  if (at >= p.count) { return; }
  let kx = i32(at % p.kw);
  let ky = i32(at / p.kw % p.kh);
  let i = at / (p.kw * p.kh) % p.I;
  let o = at / (p.kw * p.kh * p.I);
  var sum = 0.0;
  for (var n = 0u; n < p.batch; n++) {
    for (var oy = 0u; oy < p.oh; oy++) {
      let y = i32(oy) * p.stride - p.pad + ky;
      if (y < 0 || y >= i32(p.h)) { continue; }
      var row = 0.0;
      for (var ox = 0u; ox < p.ow; ox++) {
        let xx = i32(ox) * p.stride - p.pad + kx;
        if (xx < 0 || xx >= i32(p.w)) { continue; }
        row += load_gy(((n * p.O + o) * p.oh + oy) * p.ow + ox) *
          load_x(((n * p.I + i) * p.h + u32(y)) * p.w + u32(xx));
      }
      sum += row;
    }
  }
  out[at] = epilogue(sum, at);
}
