/** The texture loss: images keep what a residual network sees in them. */
import { mean, square, sub } from "../../../lib/graph/ops/mod.ts";
import type { Tensor } from "../../../lib/graph/tensor.ts";

/** Mean squared difference of features `[n, d]`, not of unit length, of a CLIP with a ResNet → `[]`. */
export function textureLoss(wanted: Tensor, adapted: Tensor): Tensor {
  return mean(square(sub(wanted, adapted)));
}
