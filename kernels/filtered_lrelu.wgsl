// Along one axis: up to a finer grid, lrelu, and down again (common/axis_lrelu.wgsl has the formulas)
//
//   out = down(lrelu(up(x))),  lrelu(u) = clamp(gain * max(u, slope * u), -limit, limit)
//
//   x       [outer, len_in, inner]     row-major, 0 outside
//   fu, fd  [up_taps], [down_taps]
//   out     [outer, len_out, inner]
//
// One thread per column: it slides along, and the fine samples never leave it.

struct Params {
  columns: u32, len_in: i32, len_out: i32, inner: u32,
  up: i32, down: i32, up_taps: i32, down_taps: i32, lag: i32, odd: i32,
  slope: f32, gain: f32, limit: f32,
}

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       fu: array<f32>;
@group(0) @binding(2) var<storage, read>       fd: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<uniform>             p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let column = id.y * ROW + id.x;
  if (column >= p.columns) { return; }
  let x_first = column / p.inner * u32(p.len_in) * p.inner + column % p.inner;
  var i = column / p.inner * u32(p.len_out) * p.inner + column % p.inner;

  let u0 = up_taps(0); let u1 = up_taps(1); let u2 = up_taps(2); let u3 = up_taps(3);
  let u4 = up_taps(4); let u5 = up_taps(5); let u6 = up_taps(6);
  let d0 = down_taps(0); let d1 = down_taps(1); let d2 = down_taps(2);
  let d3 = down_taps(3); let d4 = down_taps(4); let d5 = down_taps(5);
  var x0 = 0.0;
  var x1 = sample_x(x_first, p.lag);
  var x2 = sample_x(x_first, p.lag + 1);
  var x3 = sample_x(x_first, p.lag + 2);
  var x4 = sample_x(x_first, p.lag + 3);
  var x5 = sample_x(x_first, p.lag + 4);
  var x6 = sample_x(x_first, p.lag + 5);
  // Sums of the outputs that the blocks so far count for. Those before the first output, which see
  // only part of their blocks, are not stored.
  var y0 = 0.0; var y1 = 0.0; var y2 = 0.0; var y3 = 0.0; var y4 = 0.0;
  var o = -5;
  for (var m = 0; o < p.len_out; m++) {
    x0 = x1; x1 = x2; x2 = x3; x3 = x4; x4 = x5; x5 = x6;
    x6 = sample_x(x_first, m + p.lag + 6);
    let u = x0 * u0 + x1 * u1 + x2 * u2 + x3 * u3 + x4 * u4 + x5 * u5 + x6 * u6;
    var block = clamp(p.gain * max(u, p.slope * u), vec4<f32>(-p.limit), vec4<f32>(p.limit));
    for (var done = 0; done < p.up; done += p.down) {
      let y = y0 + dot(d5, block);
      y0 = y1 + dot(d4, block);
      y1 = y2 + dot(d3, block);
      y2 = y3 + dot(d2, block);
      y3 = y4 + dot(d1, block);
      y4 = dot(d0, block);
      if (o >= 0 && o < p.len_out) {
        out[i] = epilogue(y, i);
        i += p.inner;
      }
      o++;
      block = vec4<f32>(block.zw, 0.0, 0.0);
    }
  }
}
