// Cotangents of q, k and v, given that of attention's result:
//
//   w[i, j]   = exp(scale * q[i] . k[j] - stats[i, 0])                  the softmax
//   ds[i, j]  = scale * w[i, j] * (gy[i] . v[j] - stats[i, 1])          cotangent of q . k
//   out[i, q] = sum over j of ds[i, j] * k[j]
//   out[j, k] = sum over i of ds[i, j] * q[i]
//   out[j, v] = sum over i of w[i, j] * gy[i]
//
//   qkv    [batch, tokens, 3, heads, width]   q, k and v; a head is up to 64 wide
//   gy     [batch, tokens, heads, width]
//   stats  [batch, heads, tokens, 2]          attention_stats.wgsl
//   out    [batch, tokens, 3, heads, width]
//
// One workgroup per 16 tokens of q, k or v of a head (common/attention.wgsl).

struct Params { tokens: u32, heads: u32, width: u32, scale: f32 }

@group(0) @binding(0) var<storage, read>       qkv: array<f32>;
@group(0) @binding(1) var<storage, read>       gy: array<f32>;
@group(0) @binding(2) var<storage, read>       stats: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<uniform>             p: Params;

/// Statistics of a row of the scores.
fn stats_of(n: u32, head: u32, token: u32) -> vec2<f32> {
  let at = 2u * ((n * p.heads + head) * p.tokens + min(token, p.tokens - 1u));
  return vec2<f32>(stats[at], stats[at + 1u]);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let head = group.y / 3u;
  let part = group.y % 3u;
  let token = group.x * ROWS + lane / SLICES;
  // Rows of q go with those of gy, and rows of k with those of v: one pair is this workgroup's, and it
  // meets all of the other.
  let x = own_row(group.z, token, min(part, 1u), head);
  var y = own_row(group.z, token, 2u, head);
  if (part == 0u) { y = own_row_of_gy(group.z, token, head); }
  let own = stats_of(group.z, head, token);

  var sum = Row();
  for (var first = 0u; first < p.tokens; first += ROWS) {
    workgroupBarrier();
    if (part == 0u) {
      fill_from_qkv(0u, group.z, head, 1u, first, lane);
      fill_from_qkv(SECOND, group.z, head, 2u, first, lane);
    } else {
      fill_from_qkv(0u, group.z, head, 0u, first, lane);
      fill_from_gy(SECOND, group.z, head, first, lane);
    }
    workgroupBarrier();
    let count = min(ROWS, p.tokens - first);
    for (var j = lane % SLICES; j < count; j += SLICES) {
      var row = own;
      if (part != 0u) { row = stats_of(group.z, head, first + j); }
      let w = exp(p.scale * dot_row(x, j * PITCH) - row.x);
      if (part == 2u) {
        sum = add_row(sum, 1.0, w, SECOND + j * PITCH);
      } else {
        let ds = p.scale * w * (dot_row(y, SECOND + j * PITCH) - row.y);
        sum = add_row(sum, 1.0, ds, j * PITCH);
      }
    }
  }

  let start = row_of_qkv(group.z, token, part, head);
  exchange(sum.a, sum.b, lane);
  store(start, token, 0u, vec4<f32>(1.0), lane);
  exchange(sum.c, sum.d, lane);
  store(start, token, 8u, vec4<f32>(1.0), lane);
}
