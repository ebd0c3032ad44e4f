// Gradient of a convolution with respect to its weight, for GPUs (common/tile.wgsl)
//
//   out[s, o, i, ky, kx] = sum over n, y, x of gy[n, o, y, x] * x[n, i, y*stride - pad + ky, x*stride - pad + kx]
//
//   x    [batch, I, h, w]
//   gy   [batch, O, oh, ow]
//   out  [parts, O, I, kh, kw]   part s sums lines s*part_lines and on, of batch * oh in all
//
// A product of gy [O, pixels] and the patches of x [pixels, I*kh*kw], where pixels run over the lines
// of a part; the patches exist in tiles only. One workgroup per 64 x 64 block and part.

struct Params {
  batch: u32, I: u32, h: u32, w: u32, O: u32, oh: u32, ow: u32,
  kh: u32, kw: u32, stride: u32, pad: u32, part_lines: u32,
}

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       gy: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

const FOUR = vec4<u32>(0u, 1u, 2u, 3u);

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let taps = p.kh * p.kw;
  let columns = p.I * taps;
  let first = group.z * p.part_lines * p.ow;
  let end = min(first + p.part_lines * p.ow, p.batch * p.oh * p.ow);

  // Neighbouring threads take neighbouring pixels: those are contiguous in both operands.
  let pixel_slot = slot_along_k(thread, 0u).k;
  for (var start = first; start < end; start += DEPTH) {
    let pixel = start + pixel_slot;
    let n = pixel / (p.oh * p.ow);
    let oy = pixel / p.ow % p.oh;
    let ox = pixel % p.ow;
    for (var half = 0u; half < 2u; half++) {
      let slot = slot_along_k(thread, half);
      let rows = min(group.y * 64u + 4u * slot.quad + FOUR, vec4<u32>(p.O - 1u));
      let g = ((n * p.O + rows) * p.oh + oy) * p.ow + ox;
      let column = min(group.x * 64u + 4u * slot.quad + FOUR, vec4<u32>(columns - 1u));
      let y = oy * p.stride + column % taps / p.kw - p.pad;
      let x_at = ox * p.stride + column % p.kw - p.pad;
      let at = ((n * p.I + column / taps) * p.h + y) * p.w + x_at;
      let inside = (y < vec4<u32>(p.h)) & (x_at < vec4<u32>(p.w));
      var gradients = vec4<f32>();
      var values = vec4<f32>();
      if (pixel < end) {
        gradients = vec4<f32>(load_gy(g.x), load_gy(g.y), load_gy(g.z), load_gy(g.w));
        let seen = vec4<f32>(load_x(at.x), load_x(at.y), load_x(at.z), load_x(at.w));
        values = select(values, seen, inside);
      }
      tile_a[16u * slot.k + slot.quad] = gradients;
      tile_b[16u * slot.k + slot.quad] = values;
    }
    multiply_tiles(thread);
  }

  var sums = c; // a copy, as indexing c itself would keep it in memory all along
  for (var i = 0u; i < 16u; i++) {
    let o = group.y * 64u + row_of(thread, i);
    let column = group.x * 64u + columns_of(thread, i);
    let row = (group.z * p.O + o) * columns;
    for (var j = 0u; j < 4u; j++) {
      let to = row + column[j];
      if (o < p.O && column[j] < columns) { out[to] = epilogue(sums[i / 4u][i % 4u][j], to); }
    }
  }
}
