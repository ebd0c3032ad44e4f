import { exp, log, mul, neg, softmax, sub, sum } from "../../../lib/graph/ops/mod.ts";
import type { Tensor } from "../../../lib/graph/tensor.ts";

/**
 * Minus the sum of `wanted` times the logarithm of the logits' softmax, both `[n, classes]`; a mean
 * where the rows of `wanted` sum to 1 over their number.
 */
export function crossEntropy(logits: Tensor, wanted: Tensor): Tensor {
  return neg(sum(mul(logSoftmax(logits), wanted)));
}

/** Of the last axis. */
function logSoftmax(x: Tensor): Tensor {
  const total = (y: Tensor) => sum(y, [x.rank - 1], true);
  // The mean under the softmax is at most log n below the maximum: nothing can overflow or vanish.
  const shifted = sub(x, total(mul(softmax(x), x)));
  return sub(shifted, log(total(exp(shifted))));
}
