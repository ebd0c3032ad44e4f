/** What is done to styles between the mapping network and the synthesis network. */
import { add, expand, mul, reshape, sub } from "../../lib/graph/ops/mod.ts";
import { constant, dims, type Tensor } from "../../lib/graph/tensor.ts";
import type { Generator, Sizes } from "./generator.ts";

/** w moved towards the mean w `[wSize]`: psi `[]` = 1 leaves it, 0 gives the mean. Also for w+. */
export function truncate(w: Tensor, meanW: Tensor, psi: Tensor): Tensor {
  return add(w, mul(sub(meanW, w), sub(1, psi)));
}

/** The w that a generator is adapted with: as it is, or truncated where its family asks for that. */
export function trainingW({ trainingPsi }: Generator, w: Tensor, meanW: Tensor): Tensor {
  return trainingPsi === 1 ? w : truncate(w, meanW, constant(trainingPsi));
}

/** The same w for every layer: w `[n, wSize]` → w+ `[n, wCount, wSize]`. */
export function broadcastW({ wCount, wSize }: Pick<Sizes, "wCount" | "wSize">, w: Tensor): Tensor {
  const { n } = dims(w, "n w");
  return expand(reshape(w, [n, 1, wSize]), [n, wCount, wSize]);
}

/**
 * Style mixing: rows of w+ from `first` where `useFirst` `[wCount]` is 1, from `second` where it is
 * 0. Both are w+ `[n, wCount, wSize]`.
 */
export function mixStyles(first: Tensor, second: Tensor, useFirst: Tensor): Tensor {
  const { l } = dims(useFirst, "l");
  const mask = reshape(useFirst, [l, 1]);
  return add(mul(first, mask), mul(second, sub(1, mask)));
}
