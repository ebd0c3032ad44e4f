/** Every n-th element along axes, its transpose, and pooling by the largest. */
import { ShapeError } from "../../errors.ts";
import { defineGather, type Op } from "../op.ts";
import { dims, numel, type Shape, stridesOf, type Tensor } from "../tensor.ts";
import { maximum } from "./elementwise.ts";
import { indexExpression } from "./shape.ts";

interface StepAttrs {
  /** First element along each axis. */
  readonly start: readonly number[];
  /** From one element to the next along each axis. */
  readonly step: readonly number[];
}

/** Calls `visit` with the flat index of each element of `small` and of where it lies in `large`. */
function eachStep(
  small: Shape,
  large: Shape,
  { start, step }: StepAttrs,
  visit: (small: number, large: number) => void,
): void {
  const [from, to] = [stridesOf(small), stridesOf(large)];
  for (let i = 0; i < numel(small); i++) {
    const at = small.reduce((sum, size, axis) => {
      const coordinate = start[axis]! + step[axis]! * (Math.floor(i / from[axis]!) % size);
      return sum + coordinate * to[axis]!;
    }, 0);
    visit(i, at);
  }
}

/** The elements of `x` from `start` on, at distances of `step`, as many as `size` says. */
export const every: Op<"x", StepAttrs & { readonly size: Shape }> = defineGather({
  name: "every",
  shape({ x }, { start, step, size }) {
    const fits = [start, step, size].every(({ length }) => length === x.rank) &&
      size.every((count, k) => start[k]! + step[k]! * (count - 1) < x.shape[k]!);
    if (!fits) {
      throw new ShapeError(`Cannot take [${size}] of [${x.shape}] from [${start}], step [${step}]`);
    }
    return size;
  },
  body(at, { x }, { start, step, size }) {
    const strides = stridesOf(x.shape);
    const first = start.reduce((sum, from, k) => sum + from * strides[k]!, 0);
    const index = indexExpression("i", size, strides.map((stride, k) => stride * step[k]!));
    return `return ${at("x", `${first}u + ${index}`)};`;
  },
  reference({ x }, { size, ...steps }) {
    const out = new Float64Array(numel(size));
    eachStep(size, x.shape, steps, (i, from) => {
      out[i] = x.data[from]!;
    });
    return out;
  },
  vjp: (gy, { x }, { start, step }) => ({ x: spread({ x: gy }, { start, step, size: x.shape }) }),
  samples: [
    {
      inputs: { x: [2, 3, 7, 9] },
      attrs: { start: [0, 0, 1, 2], step: [1, 1, 2, 3], size: [2, 3, 3, 2] },
    },
    { inputs: { x: [11] }, attrs: { start: [0], step: [5], size: [3] } },
  ],
});

/** Zeros of shape `size` with the elements of `x` from `start` on, at distances of `step`. */
const spread: Op<"x", StepAttrs & { readonly size: Shape }> = defineGather({
  name: "spread",
  shape: (_, { size }) => size,
  body(at, { x }, { start, step, size }) {
    const [outStrides, strides] = [stridesOf(size), stridesOf(x.shape)];
    const lines = size.map((length, k) => {
      // Unsigned subtraction wraps before `start`, so one comparison covers both ends.
      const distance = `(i / ${outStrides[k]}u) % ${length}u - ${start[k]}u`;
      return `let d${k} = ${distance}; ` +
        `if (d${k} % ${step[k]}u != 0u || d${k} / ${step[k]}u >= ${x.shape[k]}u) { return 0.0; }`;
    });
    const terms = strides.map((stride, k) => `d${k} / ${step[k]}u * ${stride}u`);
    return `${lines.join(" ")} return ${at("x", terms.join(" + "))};`;
  },
  reference({ x }, { size, ...steps }) {
    const out = new Float64Array(numel(size));
    eachStep(x.shape, size, steps, (i, to) => {
      out[to] = x.data[i]!;
    });
    return out;
  },
  vjp: (gy, { x }, { start, step }) => ({ x: every({ x: gy }, { start, step, size: x.shape }) }),
  samples: [
    {
      inputs: { x: [2, 3, 3, 2] },
      attrs: { start: [0, 0, 1, 2], step: [1, 1, 2, 3], size: [2, 3, 7, 9] },
    },
  ],
});

/** The largest of each window of `size`², `stride` apart, of x `[n, c, h, w]`, without padding. */
export function maxPool2d(
  x: Tensor,
  { size, stride }: { size: number; stride: number },
): Tensor {
  const { n, c, h, w } = dims(x, "n c h w");
  const [oh, ow] = [h, w].map((length) => Math.floor((length - size) / stride) + 1);
  if (!(oh! > 0 && ow! > 0)) {
    throw new ShapeError(`Cannot pool [${x.shape}] by windows of ${size}x${size}: it is smaller`);
  }
  const parts = Array.from({ length: size * size }, (_, k) =>
    every({ x }, {
      start: [0, 0, Math.floor(k / size), k % size],
      step: [1, 1, stride, stride],
      size: [n, c, oh!, ow!],
    }));
  return parts.reduce(maximum);
}
