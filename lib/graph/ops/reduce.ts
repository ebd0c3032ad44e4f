/** Sums over axes. */
import sumRowsWgsl from "../../../kernels/sum_rows.wgsl" with { type: "text" };
import sumStridedWgsl from "../../../kernels/sum_strided.wgsl" with { type: "text" };
import { ShapeError } from "../../errors.ts";
import { defineOp, type Op } from "../op.ts";
import { dims, numel, type Tensor } from "../tensor.ts";
import { mul } from "./elementwise.ts";
import { PER_ELEMENT, perElement, ROW_THREADS, rowKernels } from "./launch.ts";
import { expand, reshape } from "./shape.ts";

/** `out[a, b] = Σ_k x[a, k, b]` for x `[outer, len, inner]`. */
const sumMiddle: Op<"x", Record<never, never>> = defineOp({
  name: "sum",
  shape({ x }) {
    const { outer, inner } = dims(x, "outer len inner");
    return [outer, inner];
  },
  blocks: () => [{ x: 0 }, { x: 2 }],
  addends: () => ({ x: 1 }),
  precise: true,
  operations: ({ x }) => dims(x, "outer len inner").len,
  kernels: [
    ...rowKernels<"x", Record<never, never>>({
      name: "sum_rows",
      source: sumRowsWgsl,
      when: (_, { inner, cols }) => inner === 1 && cols! >= ROW_THREADS,
      params({ x }) {
        const { outer, len, inner } = dims(x, "outer len inner");
        return { rows: outer, cols: len, inner };
      },
    }),
    {
      name: "sum_strided",
      source: sumStridedWgsl,
      params({ x }) {
        const { outer, len, inner } = dims(x, "outer len inner");
        return { count: outer * inner, len, inner };
      },
      consts: PER_ELEMENT,
      grid: perElement,
    },
  ],
  reference({ x }) {
    const { outer, len, inner } = dims(x, "outer len inner");
    return Array.from({ length: outer * inner }, (_, i) => {
      let sum = 0;
      for (let k = 0; k < len; k++) {
        sum += x.data[(Math.floor(i / inner) * len + k) * inner + i % inner]!;
      }
      return sum;
    });
  },
  vjp(gy, { x }) {
    const { outer, inner } = dims(x, "outer len inner");
    return { x: reshape(gy, [outer, 1, inner]) };
  },
  samples: [
    { inputs: { x: [3, 5, 7] }, attrs: {} },
    { inputs: { x: [5, 129, 1] }, attrs: {} },
    { inputs: { x: [1, 2049, 3] }, attrs: {} },
    { inputs: { x: [9, 1, 1] }, attrs: {} },
  ],
});

/**
 * Fewer sums than this leave lanes of a large GPU idle, on which some 31 workgroups of `ROW_THREADS`
 * run side by side in each of 132 units: then a long sum is done in two rounds.
 */
const FEW_OUTPUTS = 4096;

/** Sum over the given axes (all when left out); they stay as size 1 when `keep` is set. */
export function sum(x: Tensor, axes: readonly number[] = x.shape.keys().toArray(), keep = false) {
  const summed = new Set(axes);
  for (const axis of summed) {
    if (axis < 0 || axis >= x.rank) throw new ShapeError(`Cannot sum axis ${axis} of [${x.shape}]`);
  }
  const kept = x.shape.filter((_, axis) => !summed.has(axis));
  const shape = keep ? x.shape.map((size, axis) => summed.has(axis) ? 1 : size) : kept;

  // Neighbouring axes that are summed together make one; from the innermost outwards, so that the
  // large first pass reads its input in order.
  let rest = x;
  let sizes = x.shape.map((size, axis) => ({ size, summed: summed.has(axis) }));
  while (sizes.some((axis) => axis.summed)) {
    const end = sizes.findLastIndex((axis) => axis.summed) + 1;
    const start = sizes.slice(0, end).findLastIndex((axis) => !axis.summed) + 1;
    const length = (from: number, to?: number) =>
      sizes.slice(from, to).reduce((product, axis) => product * axis.size, 1);
    rest = sumRuns(reshape(rest, [length(0, start), length(start, end), length(end)]));
    sizes = [...sizes.slice(0, start), ...sizes.slice(end)];
  }
  return reshape(rest, shape);
}

/** Sum over the middle of `[outer, len, inner]`, in two rounds where one would have few threads. */
function sumRuns(x: Tensor): Tensor {
  const { outer, len, inner } = dims(x, "outer len inner");
  if (len === 1) return reshape(x, [outer, inner]);
  const rounds = len > 4096 ? roundsFor(len, FEW_OUTPUTS / (outer * inner)) : 1;
  if (rounds === 1) return sumMiddle({ x }, {});
  const parts = sumMiddle({ x: reshape(x, [outer * rounds, len / rounds, inner]) }, {});
  return sumMiddle({ x: reshape(parts, [outer, rounds, inner]) }, {});
}

/** The least divisor of `len` that is as large as `wanted`, or the largest below its root. */
function roundsFor(len: number, wanted: number): number {
  if (wanted < 2) return 1;
  const root = Math.floor(Math.sqrt(len));
  for (let d = Math.ceil(wanted); d <= root; d++) if (len % d === 0) return d;
  for (let d = Math.min(root, Math.floor(wanted)); d > 1; d--) if (len % d === 0) return d;
  return 1;
}

/** Mean over the given axes (all when left out). */
export function mean(x: Tensor, axes?: readonly number[], keep = false): Tensor {
  const total = sum(x, axes, keep);
  return mul(total, numel(total.shape) / numel(x.shape));
}

/** Sums a cotangent over the axes along which a value of `shape` was stretched, or stretches it. */
export function fitCotangent(grad: Tensor, shape: readonly number[]): Tensor {
  const lead = grad.rank - shape.length;
  const axes = grad.shape.flatMap((size, axis) =>
    axis < lead || (shape[axis - lead] === 1 && size !== 1) ? [axis] : []
  );
  const summed = axes.length > 0 ? sum(grad, axes, true) : grad;
  return numel(summed.shape) === numel(shape) ? reshape(summed, shape) : expand(summed, shape);
}
