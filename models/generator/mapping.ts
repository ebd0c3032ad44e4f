/** What the mapping networks of all families are made of. */
import { add, lrelu, matmul, mean, mul, rsqrt, square } from "../../lib/graph/ops/mod.ts";
import { dims, type Tensor } from "../../lib/graph/tensor.ts";
import type { Parameters } from "./generator.ts";

/** Keeps the variance of what goes through it: E[lrelu(x)²] = (1 + 0.2²) / 2 of E[x²]. */
export const LRELU = { slope: 0.2, gain: Math.SQRT2 };
export const EPSILON = 1e-8;
/** The mapping network learns this much slower than the rest: its weights are stored that larger. */
const MAPPING_LR = 0.01;

/** z `[n, zSize]` at unit variance through the layers of these names → w `[n, wSize]`. */
export function mappingNetwork(p: Parameters, names: readonly string[], z: Tensor): Tensor {
  const x = mul(z, rsqrt(add(mean(square(z), [1], true), EPSILON)));
  return names.reduce((x, name) => lrelu({ x: linear(p, name, x, MAPPING_LR) }, LRELU), x);
}

/** x `[n, in]` by the layer's weight `[out, in]`, which is stored with unit variance. */
export function linear(p: Parameters, name: string, x: Tensor, lr = 1): Tensor {
  const weight = p[`${name}.weight`]!;
  const { inputs } = dims(weight, "outputs inputs");
  const y = matmul({ a: x, b: weight }, { transposeB: true });
  return add(mul(y, lr / Math.sqrt(inputs)), mul(p[`${name}.bias`]!, lr));
}
