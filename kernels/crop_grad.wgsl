// out[n, c, y, x] = sum over the windows k of image n, where y and x lie inside, of
//                   gy[k, c, y - corners[k, 0], x - corners[k, 1]]
//
//   gy       [images * windows, channels, height, width]   row-major
//   corners  [images * windows, 2]                         first row and column of each window
//   out      [images, channels, h, w]                      the cotangent of the images
//
// One thread per element of the images: without atomic additions the sum has a fixed order.
// Constants: WG threads per workgroup, ROW threads per row of the grid.

struct Params {
  count: u32, windows: u32, channels: u32, height: u32, width: u32, h: u32, w: u32,
}

@group(0) @binding(0) var<storage, read>       gy: array<f32>;
@group(0) @binding(1) var<storage, read>       corners: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.y * ROW + id.x;
  if (i >= p.count) { return; }
  let x = i % p.w;
  let y = i / p.w % p.h;
  let channel = i / (p.w * p.h) % p.channels;
  let first = i / (p.w * p.h * p.channels) * p.windows;
  var sum = 0.0;
  for (var k = first; k < first + p.windows; k++) {
    // Unsigned subtraction wraps before the window, so one comparison covers both ends.
    let row = y - corners[2u * k];
    let column = x - corners[2u * k + 1u];
    if (row < p.height && column < p.width) {
      sum += load_gy(((k * p.channels + channel) * p.height + row) * p.width + column);
    }
  }
  out[i] = epilogue(sum, i);
}
