/** Matrix products whose sums are cut into parts, so that more of a GPU computes them. */
import { partialVjp } from "../grad.ts";
import { defineOp, type Op } from "../op.ts";
import type { Tensor } from "../tensor.ts";
import {
  axes,
  gpuKernels,
  matmul,
  type MatmulAttrs,
  params,
  productOf,
  sizes,
  summed,
} from "./matmul.ts";
import { sum } from "./reduce.ts";
import { concat, reshape, slice } from "./shape.ts";

interface PartsAttrs extends MatmulAttrs {
  /** Steps of the sum that a part takes. */
  readonly steps: number;
}

/**
 * `matmul` with its sums cut into parts, for GPUs: `[parts, ..., m, n]`, to be added. Part s takes k
 * from `s * steps` on.
 */
export const matmulParts: Op<"a" | "b", PartsAttrs> = defineOp({
  name: "matmul_parts",
  shape({ a, b }, attrs) {
    const { batch, M, N, K } = sizes(a, b, attrs);
    return [Math.ceil(K / attrs.steps), ...batch, M, N];
  },
  blocks: (inputs, attrs) => [null, ...axes(inputs, attrs)],
  precise: true,
  operations: (_, { steps }) => 2 * steps,
  kernels: gpuKernels((inputs, { steps, ...attrs }) => {
    const given = params(inputs, attrs);
    return { ...given, parts: Math.ceil(given.K / steps), part_steps: steps };
  }),
  reference({ a, b }, { steps, ...attrs }) {
    const { K } = sizes(a, b, attrs);
    return Array.from(
      { length: Math.ceil(K / steps) },
      (_, part) => productOf({ a, b }, attrs, part * steps, (part + 1) * steps),
    ).flat();
  },
  vjp(gy, { a, b }, { steps, ...attrs }) {
    const { K } = sizes(a, b, attrs);
    const axis = summed({ a, b }, attrs);
    const each = Array.from({ length: Math.ceil(K / steps) }, (_, part) => {
      const length = Math.min(steps, K - part * steps);
      const of = (x: Tensor, along: number) =>
        slice(
          x,
          x.shape.map((_, i) => i === along ? part * steps : 0),
          x.shape.map((size, i) => i === along ? length : size),
        );
      const product = matmul({ a: of(a, axis.a), b: of(b, axis.b) }, attrs);
      return reshape(product, [1, ...product.shape]);
    });
    const [ofA, ofB] = partialVjp(concat(each, 0), gy, [a, b]);
    return { a: ofA!, b: ofB! };
  },
  samples: [
    { inputs: { a: [5, 70], b: [70, 3] }, attrs: { steps: 32 } },
    { inputs: { a: [2, 3, 67], b: [2, 9, 67] }, attrs: { transposeB: true, steps: 33 } },
    { inputs: { a: [2, 40, 5], b: [40, 6] }, attrs: { transposeA: true, steps: 9 } },
    { inputs: { a: [2, 5, 33], b: [33, 4] }, attrs: { steps: 11 } },
  ],
});

/** Into how many parts a sum may be cut. */
export const PARTS = [2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128] as const;

/** Terms of a part come in multiples of this: whole turns of the kernels. */
const TURN = 32;

/** `matmul` as so many parts at most, and their sum. */
export function matmulInParts(
  { a, b }: Record<"a" | "b", Tensor>,
  attrs: MatmulAttrs,
  parts: number,
): { each: Tensor; whole: Tensor } {
  const { K } = sizes(a, b, attrs);
  const each = matmulParts({ a, b }, { ...attrs, steps: Math.ceil(K / parts / TURN) * TURN });
  return { each, whole: sum(each, [0]) };
}
