/** Sums of a tensor and of its products with two others, in one pass over all three. */
import productSumsWgsl from "../../../kernels/product_sums.wgsl" with { type: "text" };
import { ShapeError } from "../../errors.ts";
import { defineOp, type Op } from "../op.ts";
import { dims, sameShape, type Tensor } from "../tensor.ts";
import { add, mul } from "./elementwise.ts";
import { rowKernels } from "./launch.ts";
import { sum } from "./reduce.ts";
import { reshape, slice } from "./shape.ts";

type None = Record<never, never>;

const rowSums: Op<"a" | "b" | "c", None> = defineOp({
  name: "product_sums",
  shape({ a, b, c }) {
    if (!sameShape(a.shape, b.shape) || !sameShape(a.shape, c.shape)) {
      throw new ShapeError(`Cannot sum [${a.shape}] with [${b.shape}] and [${c.shape}]`);
    }
    return [dims(a, "rows cols").rows, 3];
  },
  blocks: () => [{ a: 0, b: 0, c: 0 }, null],
  precise: true,
  operations: ({ a }) => 5 * a.shape[1]! / 3,
  kernels: rowKernels({
    name: "product_sums",
    source: productSumsWgsl,
    params: ({ a }) => dims(a, "rows cols"),
  }),
  reference({ a, b, c }) {
    const { rows, cols } = dims(a, "rows cols");
    const out = new Float64Array(3 * rows);
    for (let i = 0; i < rows * cols; i++) {
      [1, b.data[i]!, c.data[i]!].forEach((factor, k) => {
        out[3 * Math.floor(i / cols) + k]! += a.data[i]! * factor;
      });
    }
    return out;
  },
  vjp(gy, { a, b, c }) {
    const [ofSum, ofB, ofC] = [0, 1, 2].map((k) => slice(gy, [0, k], [gy.shape[0]!, 1]));
    return {
      a: add(add(ofSum!, mul(ofB!, b)), mul(ofC!, c)),
      b: mul(ofB!, a),
      c: mul(ofC!, a),
    };
  },
  samples: [
    { inputs: { a: [3, 7], b: [3, 7], c: [3, 7] }, attrs: {} },
    { inputs: { a: [2, 131], b: [2, 131], c: [2, 131] }, attrs: {} },
  ],
});

/** Longest row that one workgroup sums: more of them fill a GPU. */
const LONGEST = 4096;

/**
 * `Σ a`, `Σ a b` and `Σ a c` over the pixels of each plane: a, b and c `[n, c, h, w]` → three of
 * `[n, c, 1, 1]`.
 */
export function productSums(a: Tensor, b: Tensor, c: Tensor): [Tensor, Tensor, Tensor] {
  const { n, channels, pixels } = dims(a, "n channels ...pixels");
  let parts = Math.ceil(pixels / LONGEST);
  while (pixels % parts !== 0) parts++;
  const rows = (x: Tensor) => reshape(x, [n * channels * parts, pixels / parts]);
  const sums = rowSums({ a: rows(a), b: rows(b), c: rows(c) }, {});
  const whole = parts === 1
    ? reshape(sums, [n, channels, 3])
    : sum(reshape(sums, [n, channels, parts, 3]), [2]);
  const ones = a.shape.map((size, axis) => axis < 2 ? size : 1);
  return [0, 1, 2].map((k) => reshape(slice(whole, [0, 0, k], [n, channels, 1]), ones)) as [
    Tensor,
    Tensor,
    Tensor,
  ];
}
