/** The manifold loss: an image may move as far as the text does. */
import { abs, mean, mul, sub, sum, unit } from "../../../lib/graph/ops/mod.ts";
import type { Tensor } from "../../../lib/graph/tensor.ts";

/**
 * The difference between the cosine of the two images and that of the two texts, mean over the
 * batch. (The reference computes angles as well, and does not use them.) Features `[n, d]` → `[]`.
 */
export function manifoldLoss(frozen: Tensor, adapted: Tensor, textCosine: number): Tensor {
  const cosines = sum(mul(unit(frozen), unit(adapted)), [1]);
  return mean(abs(sub(cosines, textCosine)));
}
