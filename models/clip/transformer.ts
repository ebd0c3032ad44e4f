/** The transformer that both towers are made of. */
import {
  abs,
  add,
  attention,
  div,
  exp,
  matmul,
  mul,
  neg,
  normalize,
  quickGelu,
  reshape,
  sign,
  square,
  sub,
} from "../../lib/graph/ops/mod.ts";
import { constant, dims, type Tensor } from "../../lib/graph/tensor.ts";
import type { Activation, TransformerArchitecture } from "./architecture.ts";

/** A tower's weights by the names of `names.ts` and `resnet_names.ts`. */
export type Parameters = (name: string) => Tensor;

/**
 * The residual stream after each block. x `[n, t, w]`; mask `[t, t]` is added to the scores of
 * query (row) against key (column), null lets every token see all.
 */
export function transformer(
  p: Parameters,
  arch: TransformerArchitecture,
  x: Tensor,
  mask: Tensor | null,
): Tensor[] {
  return Array.from({ length: arch.blocks }, (_, i) => x = block(p, arch, i, x, mask));
}

/**
 * A block's residual stream `[n, t, w]`, or that of the tokens that `take` picks: what comes after
 * attention then runs for these alone.
 */
export function block(
  p: Parameters,
  arch: TransformerArchitecture,
  i: number,
  x: Tensor,
  mask: Tensor | null,
  take: (x: Tensor) => Tensor = (all) => all,
): Tensor {
  const own: Parameters = (name) => p(`blocks.${i}.${name}`);
  const heads = selfAttention(own, arch, layerNorm(own, "norm1", x, arch.epsilon), mask);
  const seen = add(take(x), linear(own, "out", take(heads)));
  return add(seen, perceptron(own, arch, layerNorm(own, "norm2", seen, arch.epsilon)));
}

/** What all heads of self-attention gather, before it is mixed. x `[n, t, w]` → `[n, t, w]`. */
function selfAttention(
  p: Parameters,
  { heads }: TransformerArchitecture,
  x: Tensor,
  mask: Tensor | null,
): Tensor {
  const { n, t, w } = dims(x, "n t w");
  const qkv = reshape(linear(p, "qkv", x), [n, t, 3, heads, w / heads]);
  return reshape(attention(qkv, mask), [n, t, w]);
}

function perceptron(
  p: Parameters,
  { activation }: TransformerArchitecture,
  x: Tensor,
): Tensor {
  return linear(p, "fc2", ACTIVATIONS[activation](linear(p, "fc1", x)));
}

/** x `[..., i]` → `[..., o]`, for a weight `[o, i]`. */
export function linear(p: Parameters, name: string, x: Tensor): Tensor {
  const y = matmul({ a: x, b: p(`${name}.weight`) }, { transposeB: true });
  return add(y, p(`${name}.bias`));
}

/** Layer norm over the last axis, with its own scale and shift. */
export function layerNorm(p: Parameters, name: string, x: Tensor, epsilon: number): Tensor {
  return add(mul(normalize(x, epsilon), p(`${name}.weight`)), p(`${name}.bias`));
}

const ACTIVATIONS: Record<Activation, (x: Tensor) => Tensor> = { quick_gelu: quickGelu, gelu };

/** `x * Φ(x)`, with Φ the distribution function of the normal distribution. */
export function gelu(x: Tensor): Tensor {
  return mul(mul(x, 0.5), add(erf(mul(x, Math.SQRT1_2)), 1));
}

/** The error function by Abramowitz and Stegun 7.1.26, wrong by at most 1.5e-7. */
function erf(x: Tensor): Tensor {
  const t = div(constant(1), add(mul(abs(x), 0.3275911), 1));
  const [last, ...rest] = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592];
  const polynomial = rest.reduce((sum, term) => mul(add(sum, term), t), mul(t, last!));
  return mul(sign(x), sub(1, mul(polynomial, exp(neg(square(x))))));
}
