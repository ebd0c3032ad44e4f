// For kernels that work on the fine grid between two filters along one axis, a step of `up` fine
// samples at a time; up is down, or up is 4 and down 2, and a filter has up to 6 taps for each factor:
//
//   u[m*up + r]  = gain_up * sum over t of fu[up_taps-1-k] * x[m + lag + t],  k = t*up - r + odd
//   lag = -floor(before / up),  odd = before + lag*up
//   y[o]         = sum over t, r of fd[down_taps-1 - (t*down + r)] * u[(o + t)*down + r]
//
// Taps that do not exist are 0, so that vectors of four serve every factor.

/// What sample t of the seven that make a step counts for its fine samples.
fn up_taps(t: i32) -> vec4<f32> {
  return vec4<f32>(up_tap(t, 0), up_tap(t, 1), up_tap(t, 2), up_tap(t, 3));
}

fn up_tap(t: i32, r: i32) -> f32 {
  let k = t * p.up - r + p.odd;
  if (r >= p.up || k < 0 || k >= p.up_taps) { return 0.0; }
  return f32(p.up) * fu[p.up_taps - 1 - k];
}

/// What the fine samples of block t of the six that make an output count for it.
fn down_taps(t: i32) -> vec4<f32> {
  return vec4<f32>(down_tap(t, 0), down_tap(t, 1), down_tap(t, 2), down_tap(t, 3));
}

fn down_tap(t: i32, r: i32) -> f32 {
  let k = t * p.down + r;
  if (r >= p.down || k >= p.down_taps) { return 0.0; }
  return fd[p.down_taps - 1 - k];
}
