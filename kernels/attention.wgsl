// out[n, i, h] = sum over j of softmax over j of (scale * q[n, i, h] . k[n, j, h]) * v[n, j, h]
//
//   qkv  [batch, tokens, 3, heads, width]   q, k and v; a head is up to 64 wide
//   out  [batch, tokens, heads, width]
//
// One workgroup per 16 tokens of a head (common/attention.wgsl). The softmax is computed as it goes:
// whenever a larger score comes, what has been summed so far is scaled down.

struct Params { tokens: u32, heads: u32, width: u32, scale: f32 }

@group(0) @binding(0) var<storage, read>       qkv: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform>             p: Params;

// Largest score and sum of each thread.
var<workgroup> parts: array<vec2<f32>, 64>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let token = group.x * ROWS + lane / SLICES;
  let q = own_row(group.z, token, 0u, group.y);

  var sum = Row();
  var high = -3e38;
  var total = 0.0;
  for (var first = 0u; first < p.tokens; first += ROWS) {
    workgroupBarrier();
    fill_from_qkv(0u, group.z, group.y, 1u, first, lane);
    fill_from_qkv(SECOND, group.z, group.y, 2u, first, lane);
    workgroupBarrier();
    let count = min(ROWS, p.tokens - first);
    for (var j = lane % SLICES; j < count; j += SLICES) {
      let score = p.scale * dot_row(q, j * PITCH);
      let higher = max(high, score);
      let shrink = exp(high - higher);
      let share = exp(score - higher);
      sum = add_row(sum, shrink, share, SECOND + j * PITCH);
      total = total * shrink + share;
      high = higher;
    }
  }

  parts[lane] = vec2<f32>(high, total);
  exchange(sum.a, sum.b, lane);
  let own = lane / SLICES * SLICES;
  let highs = vec4<f32>(parts[own].x, parts[own + 1u].x, parts[own + 2u].x, parts[own + 3u].x);
  let totals = vec4<f32>(parts[own].y, parts[own + 1u].y, parts[own + 2u].y, parts[own + 3u].y);
  let shrinks = exp(highs - max(max(highs.x, highs.y), max(highs.z, highs.w)));
  let weights = shrinks / dot(shrinks, totals);
  let start = ((group.z * p.tokens + token) * p.heads + group.y) * p.width;
  store(start, token, 0u, weights, lane);
  exchange(sum.c, sum.d, lane);
  store(start, token, 8u, weights, lane);
}
