/** CLIP's text transformer. */
import { add, matmul, mul, reshape, slice, sum } from "../../lib/graph/ops/mod.ts";
import { constant, dims, type Tensor } from "../../lib/graph/tensor.ts";
import type { TextArchitecture } from "./architecture.ts";
import { block, layerNorm, type Parameters, transformer } from "./transformer.ts";

/**
 * Features of texts, not of unit length.
 *
 *   tokens  `[n, t, w]`  rows of the token table; t may be less than the context length, as no
 *                        token sees those after it
 *   end     `[n, t]`     1 at each text's end, 0 elsewhere
 *   result  `[n, features]`
 */
export function encodeText(
  p: Parameters,
  arch: TextArchitecture,
  { tokens, end }: { tokens: Tensor; end: Tensor },
): Tensor {
  const { n, t, w } = dims(tokens, "n t w");
  const x = add(tokens, slice(p("position"), [0, 0], [t, w]));
  const mask = causalMask(t);
  const last = arch.blocks - 1;
  const before = transformer(p, { ...arch, blocks: last }, x, mask).at(-1) ?? x;
  const atEnd = (all: Tensor) => sum(mul(all, reshape(end, [n, t, 1])), [1]); // [n, w]
  const text = block(p, arch, last, before, mask, atEnd);
  const normed = layerNorm(p, "norm_post", text, arch.epsilon);
  return matmul({ a: normed, b: p("projection") }, {});
}

/** Far below any score, so that its exponential is 0, and finite in half precision too. */
const HIDDEN = -60000;

/** `[t, t]`: 0 where a token (row) may see another (column), itself and those before it. */
function causalMask(t: number): Tensor {
  const mask = Float32Array.from(
    { length: t * t },
    (_, i) => i % t > Math.floor(i / t) ? HIDDEN : 0,
  );
  return constant(mask, [t, t]);
}
