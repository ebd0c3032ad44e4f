// What the gradient of attention needs to know of each row of its scores s = scale * q . k:
//
//   out[n, h, i, 0] = log of the sum over j of exp(s[i, j])
//   out[n, h, i, 1] = sum over j of softmax(s)[i, j] * (gy[n, i, h] . v[n, j, h])
//
//   qkv  [batch, tokens, 3, heads, width]   q, k and v; a head is up to 64 wide
//   gy   [batch, tokens, heads, width]
//   out  [batch, heads, tokens, 2]
//
// One workgroup per 16 tokens of a head (common/attention.wgsl).

struct Params { tokens: u32, heads: u32, width: u32, scale: f32 }

@group(0) @binding(0) var<storage, read>       qkv: array<f32>;
@group(0) @binding(1) var<storage, read>       gy: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

// Largest score of each thread, the sum of its shares and that of their products.
var<workgroup> parts: array<vec3<f32>, 64>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let token = group.x * ROWS + lane / SLICES;
  let q = own_row(group.z, token, 0u, group.y);
  let g = own_row_of_gy(group.z, token, group.y);

  var high = -3e38;
  var total = 0.0;
  var product = 0.0;
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
      total = total * shrink + share;
      product = product * shrink + share * dot_row(g, SECOND + j * PITCH);
      high = higher;
    }
  }

  parts[lane] = vec3<f32>(high, total, product);
  workgroupBarrier();
  if (lane % SLICES != 0u || token >= p.tokens) { return; }
  let highest = max(
    max(parts[lane].x, parts[lane + 1u].x), max(parts[lane + 2u].x, parts[lane + 3u].x),
  );
  var all = vec2<f32>();
  for (var s = lane; s < lane + SLICES; s++) { all += parts[s].yz * exp(parts[s].x - highest); }
  let at = 2u * ((group.z * p.heads + group.y) * p.tokens + token);
  out[at] = epilogue(highest + log(all.x), at);
  out[at + 1u] = epilogue(all.y / all.x, at + 1u);
}
