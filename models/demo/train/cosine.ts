import { add, mul, rsqrt, square, sum } from "../../../lib/graph/ops/mod.ts";
import { dims, type Tensor } from "../../../lib/graph/tensor.ts";

/** Added to squared lengths: zeros have no direction, and their cosine and its gradient are finite. */
const EPSILON = 1e-16;

/** Cosine of the angle between the rows of `a` and `b`, `[n, d]` → `[n]`; 0 where one is zero. */
export function safeCosine(a: Tensor, b: Tensor): Tensor {
  return sum(mul(safeUnit(a), safeUnit(b)), [1]);
}

function safeUnit(x: Tensor): Tensor {
  dims(x, "n d");
  return mul(x, rsqrt(add(sum(square(x), [1], true), EPSILON)));
}
