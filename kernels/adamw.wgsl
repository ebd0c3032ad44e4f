// One step of Adam (Kingma & Ba 2015) with decoupled weight decay (Loshchilov & Hutter 2019):
//
//   m = beta1 * m + (1 - beta1) * g
//   v = beta2 * v + (1 - beta2) * g^2
//   w = keep * w - rate * m / (sqrt(v * correction) + eps)
//
//   w, m, v, g  [count]
//   hyper       [3]       rate = lr / (1 - beta1^t), correction = 1 / (1 - beta2^t) and
//                         keep = 1 - lr * decay, which change from step to step
//   guard       [1]       nothing changes unless this number is finite: the loss, usually
//
// One thread per element.

// rest1 = 1 - beta1 and rest2 = 1 - beta2
struct Params { count: u32, beta1: f32, rest1: f32, beta2: f32, rest2: f32, eps: f32 }

@group(0) @binding(0) var<storage, read_write> w: array<f32>;
@group(0) @binding(1) var<storage, read_write> m: array<f32>;
@group(0) @binding(2) var<storage, read_write> v: array<f32>;
@group(0) @binding(3) var<storage, read>       g: array<f32>;
@group(0) @binding(4) var<storage, read>       hyper: array<f32>;
@group(0) @binding(5) var<storage, read>       guard: array<f32>;
@group(0) @binding(6) var<uniform>             p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.y * ROW + id.x;
  // By its bits: compilers may assume that there is no NaN.
  let finite = (bitcast<u32>(guard[0]) & 0x7f800000u) != 0x7f800000u;
  if (i >= p.count || !finite) { return; }
  let first = p.beta1 * m[i] + p.rest1 * g[i];
  let second = p.beta2 * v[i] + p.rest2 * g[i] * g[i];
  m[i] = first;
  v[i] = second;
  w[i] = hyper[2] * w[i] - hyper[0] * first / (sqrt(second * hyper[1]) + p.eps);
}
