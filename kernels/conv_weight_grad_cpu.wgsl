// Gradient of a convolution with respect to its weight, for software adapters (common/lanes.wgsl)
//
//   out[s, o, i, ky, kx] = sum over n, y, x of gy[n, o, y, x] * x[n, i, y*stride - pad + ky, x*stride - pad + kx]
//
//   x    [batch, I, h, w]
//   gy   [batch, O, oh, ow]
//   out  [parts, O, I, kh, kw]   part s sums lines s*part_lines and on, of batch * oh in all
//
// A product of gy [O, pixels] and the patches of x [pixels, I*kh*kw], four pixels of a line at a
// time. One workgroup of LANES threads per ROWS x 24 block and part. A thread sums three columns, three
// neighbouring (i, ky, kx), of all rows; the threads share gy, each loading that of two or four
// channels. Constants: LANES, ROWS (16 or 32), and WINDOW: the stride, 1 or 2, where a row of the kernel
// has three taps, which are then the three columns of one thread and see the same pixels; else 0.

struct Params {
  batch: u32, I: u32, h: u32, w: u32, O: u32, oh: u32, ow: u32,
  kh: u32, kw: u32, stride: u32, pad: u32, part_lines: u32,
}

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       gy: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

// Row q of a matrix is an output channel, its columns are those of the thread.
var<private> c: array<mat4x3<f32>, ROWS / 4u>;

/// Adds four pixels: gy of eight channels, one in each lane, times what the columns see.
fn add(i: u32, g: vec4<f32>, s0: vec4<f32>, s1: vec4<f32>, s2: vec4<f32>) {
  add_pixel(i, g.x, vec3<f32>(s0.x, s1.x, s2.x));
  add_pixel(i, g.y, vec3<f32>(s0.y, s1.y, s2.y));
  add_pixel(i, g.z, vec3<f32>(s0.z, s1.z, s2.z));
  add_pixel(i, g.w, vec3<f32>(s0.w, s1.w, s2.w));
}

fn add_pixel(i: u32, g: f32, seen: vec3<f32>) {
  c[2u * i] += outer3(four(g, 0u), seen);
  c[2u * i + 1u] += outer3(four(g, 4u), seen);
}

fn outer3(rows: vec4<f32>, columns: vec3<f32>) -> mat4x3<f32> {
  return mat4x3<f32>(rows.x * columns, rows.y * columns, rows.z * columns, rows.w * columns);
}

/// Pixels `at + offsets` of x, or 0 where `column + offsets` or `row` lies outside the image.
fn pixels(at: u32, row: u32, column: u32, offsets: vec4<u32>) -> vec4<f32> {
  let i = at + offsets;
  let inside = vec4<bool>(row < p.h) & (column + offsets < vec4<u32>(p.w));
  return select(vec4<f32>(), vec4<f32>(x[i.x], x[i.y], x[i.z], x[i.w]), inside);
}

fn pixel(at: u32, row: u32, column: u32) -> f32 {
  return select(0.0, x[at], row < p.h && column < p.w);
}

/// gy of four pixels of a channel, together, as they lie in one line of the cache.
fn gradients(line: u32, column: u32) -> vec4<f32> {
  let i = line + column;
  let inside = column + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(p.ow);
  return select(vec4<f32>(), vec4<f32>(gy[i], gy[i + 1u], gy[i + 2u], gy[i + 3u]), inside);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let taps = p.kh * p.kw;
  let columns = p.I * taps;
  let column = (group.x * LANES + lane) * 3u + vec3<u32>(0u, 1u, 2u);
  // Beyond the edge the last column and row are computed again and not stored.
  let used = min(column, vec3<u32>(columns - 1u));
  let i = used / taps;
  let ky = used % taps / p.kw - p.pad;
  let kx = used % p.kw - p.pad;
  let corner = (i * p.h + ky) * p.w + kx;
  let offsets = vec4<u32>(0u, 1u, 2u, 3u) * p.stride;
  let rows = min(group.y * ROWS + lane + vec4<u32>(0u, 8u, 16u, 24u), vec4<u32>(p.O - 1u));

  let first = min(group.z * p.part_lines, p.batch * p.oh);
  let lines = min(p.part_lines, p.batch * p.oh - first);
  var n = first / p.oh;
  var oy = first % p.oh;
  var ox = 0u;
  for (var k = 0u; k < lines * ((p.ow + 3u) / 4u); k++) {
    // All loads before all sums: around the branches of a load, sums have to leave their registers.
    let y = oy * p.stride + ky;
    let left = ox * p.stride + kx;
    let at = (n * p.I * p.h + oy * p.stride) * p.w + ox * p.stride + corner;
    let s0 = pixels(at.x, y.x, left.x, offsets);
    var s1: vec4<f32>;
    var s2: vec4<f32>;
    if (WINDOW == 1u) {
      let e = at.x + 4u;
      s1 = vec4<f32>(s0.yzw, pixel(e, y.x, left.x + 4u));
      s2 = vec4<f32>(s1.yzw, pixel(e + 1u, y.x, left.x + 5u));
    } else {
      s1 = pixels(at.y, y.y, left.y, offsets);
      if (WINDOW == 2u) {
        s2 = vec4<f32>(s0.yzw, pixel(at.x + 8u, y.x, left.x + 8u));
      } else {
        s2 = pixels(at.z, y.z, left.z, offsets);
      }
    }
    let line = ((n * p.O + rows) * p.oh + oy) * p.ow;
    let g0 = gradients(line.x, ox);
    let g1 = gradients(line.y, ox);
    var g2: vec4<f32>;
    var g3: vec4<f32>;
    if (ROWS == 32u) {
      g2 = gradients(line.z, ox);
      g3 = gradients(line.w, ox);
    }
    add(0u, g0, s0, s1, s2);
    add(1u, g1, s0, s1, s2);
    if (ROWS == 32u) {
      add(2u, g2, s0, s1, s2);
      add(3u, g3, s0, s1, s2);
    }
    ox += 4u;
    if (ox >= p.ow) { ox = 0u; oy++; }
    if (oy == p.oh) { oy = 0u; n++; }
  }

  // Bounds that only the device knows keep these loops, and with them what is fused into the
  // epilogue, from being compiled many times over. `sums` is a copy, as indexing c would keep that
  // in memory all along.
  var sums = c;
  let end = min(columns, column.x + 3u);
  let rows_left = min(ROWS, p.O - group.y * ROWS);
  for (var q = 0u; q < rows_left; q++) {
    let sum = sums[q / 4u][q % 4u];
    let row = (group.z * p.O + group.y * ROWS + q) * columns;
    for (var to = column.x; to < end; to++) {
      out[row + to] = epilogue(sum[to - column.x], row + to);
    }
  }
}
