// One step of Adam (Kingma & Ba 2015) with beta1 = 0, the setting of StyleGAN2 and StyleGAN-NADA:
//
//   v = decay * v + (1 - beta2) * g^2
//   w = w - lr * g / (sqrt(v / (1 - beta2^t)) + eps)
//
//   w, v, g  [count]
//   hyper    [3]       lr, 1 / (1 - beta2^t) and decay, which change from step to step: decay is
//                      beta2, or a power of it to make up for steps that were left out
//   guard    [1]       nothing changes unless this number is finite: the loss, usually
//
// One thread per element. Without a first moment the plain gradient takes its place.

// rest = 1 - beta2
struct Params { count: u32, rest: f32, eps: f32 }

@group(0) @binding(0) var<storage, read_write> w: array<f32>;
@group(0) @binding(1) var<storage, read_write> v: array<f32>;
@group(0) @binding(2) var<storage, read>       g: array<f32>;
@group(0) @binding(3) var<storage, read>       hyper: array<f32>;
@group(0) @binding(4) var<storage, read>       guard: array<f32>;
@group(0) @binding(5) var<uniform>             p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.y * ROW + id.x;
  // By its bits: compilers may assume that there is no NaN.
  let finite = (bitcast<u32>(guard[0]) & 0x7f800000u) != 0x7f800000u;
  if (i >= p.count || !finite) { return; }
  let moment = hyper[2] * v[i] + p.rest * g[i] * g[i];
  v[i] = moment;
  w[i] -= hyper[0] * g[i] / (sqrt(moment * hyper[1]) + p.eps);
}
