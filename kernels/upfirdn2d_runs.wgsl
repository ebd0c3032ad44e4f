// upfirdn2d without up- and downsampling, for filters four taps wide: StyleGAN2's blur.
//
//   out[c, oy, ox] = sum over ky, kx of f[kh-1-ky, 3-kx] * x[c, oy + ky - top, ox + kx - left]
//
//   x    [planes, h, w]     row-major, 0 outside
//   f    [kh, 4]            flipped as written here; with correlate = 1 it is not
//   out  [planes, oh, ow]
//
// One thread per run of four outputs in a row: they share seven columns of x and every tap, which
// makes 11 loads an output of 32.

struct Params {
  runs: u32, h: u32, w: u32, oh: u32, ow: u32, kh: u32, left: i32, top: i32, correlate: u32,
}

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       f: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

/// The sample in `column` of the row that begins at `row`, 0 outside of it.
fn sample(row: u32, column: i32) -> f32 {
  // A load for every thread costs less than to branch around it.
  let value = load_x(row + u32(clamp(column, 0, i32(p.w) - 1)));
  return select(0.0, value, column >= 0 && column < i32(p.w));
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let run = id.y * ROW + id.x;
  if (run >= p.runs) { return; }
  let runs_per_line = (p.ow + 3u) / 4u;
  let line = run / runs_per_line;
  let first = run % runs_per_line * 4u;
  let y0 = i32(line % p.oh) - p.top;
  let x0 = i32(first) - p.left;
  let plane = line / p.oh * p.h * p.w;

  var sums = vec4<f32>();
  for (var ky = 0; ky < i32(p.kh); ky++) {
    let y = y0 + ky;
    if (y < 0 || y >= i32(p.h)) { continue; }
    let row = plane + u32(y) * p.w;
    let a = vec4<f32>(sample(row, x0), sample(row, x0 + 1), sample(row, x0 + 2), sample(row, x0 + 3));
    let b = vec3<f32>(sample(row, x0 + 4), sample(row, x0 + 5), sample(row, x0 + 6));
    let tap = u32(select(i32(p.kh) - 1 - ky, ky, p.correlate == 1u)) * 4u;
    var taps = vec4<f32>(f[tap], f[tap + 1u], f[tap + 2u], f[tap + 3u]);
    if (p.correlate == 0u) { taps = taps.wzyx; }
    sums += taps.x * a + taps.y * vec4<f32>(a.yzw, b.x) + taps.z * vec4<f32>(a.zw, b.xy) +
      taps.w * vec4<f32>(a.w, b);
  }
  for (var j = 0u; j < min(4u, p.ow - first); j++) {
    let i = line * p.ow + first + j;
    out[i] = epilogue(sums[j], i);
  }
}
