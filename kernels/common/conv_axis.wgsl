// One axis of a convolution or of its transpose, as a plain correlation.
//
//   convolution   out[i] = sum over t of x[i*stride - pad + t] * w[t]
//   transpose     out[j] = sum over all i, t with i*stride - pad + t = j of x[i] * w[t]
//
// With stride s, the outputs of a transposed convolution fall into s phases, j = phase + s*i. Within
// one phase each output reads the same taps of w, every s-th of them, at neighbouring inputs: no
// multiplication meets an inserted zero. (StyleGAN2's 3x3 at stride 2: 4, 2, 2 and 1 taps.)
//
//   out[first + i*every] = sum over t < taps of x[i*hop + start + t] * w[tap + t*next]
//
// `start` and `next` may be negative: u32 arithmetic wraps, and a wrapped index is never below the
// size it is compared with. Constant: TRANSPOSED (0 or 1).

struct Axis { first: u32, every: u32, hop: u32, start: u32, taps: u32, tap: u32, next: u32 }

fn axis(phase: u32, size: u32, stride: u32, pad: u32) -> Axis {
  if (TRANSPOSED == 0u) { return Axis(0u, 1u, stride, 0u - pad, size, 0u, 1u); }
  let nearest = (phase + pad) % stride;
  let taps = (size + stride - 1u - nearest) / stride;
  let start = (phase + pad) / stride + 1u - taps;
  return Axis(phase, stride, 1u, start, taps, nearest + stride * (taps - 1u), 0u - stride);
}
