/** Ops that rearrange elements. None has a kernel: compilation folds them into their readers. */
import { ShapeError } from "../../errors.ts";
import { defineGather, type HostTensor, type Op } from "../op.ts";
import {
  broadcastShapes,
  numel,
  sameShape,
  type Shape,
  stridesOf,
  type Tensor,
} from "../tensor.ts";
import { add } from "./elementwise.ts";

/**
 * WGSL for the flat index into an input, given the flat index `i` of an output of shape `out`: each
 * output axis contributes `(coordinate + shift) * stride`. Axes that lie contiguously in both are
 * merged, so that a plain copy costs no division.
 */
export function indexExpression(
  i: string,
  out: Shape,
  strides: readonly number[],
  shifts: readonly number[] = [],
): string {
  const outStrides = stridesOf(out);
  const terms: string[] = [];
  let base = 0;
  for (let axis = 0; axis < out.length; axis++) {
    base += (shifts[axis] ?? 0) * strides[axis]!;
    let last = axis;
    while (
      last + 1 < out.length && strides[last]! === strides[last + 1]! * out[last + 1]! &&
      strides[last]! !== 0
    ) {
      last++;
      base += (shifts[last] ?? 0) * strides[last]!;
    }
    const size = numel(out.slice(axis, last + 1));
    const [from, to] = [outStrides[last]!, strides[last]!];
    axis = last;
    if (size === 1 || to === 0) continue;
    const divided = from === 1 ? i : `${i} / ${from}u`;
    const wrapped = size * from === numel(out) ? divided : `(${divided}) % ${size}u`;
    terms.push(to === 1 ? `(${wrapped})` : `(${wrapped}) * ${to}u`);
  }
  if (base !== 0 || terms.length === 0) terms.push(`${base}u`);
  return terms.join(" + ");
}

/** Strides with which an input of shape `from` is read by an output of shape `to` (0: repeated). */
export function broadcastStrides(from: Shape, to: Shape): number[] {
  const strides = stridesOf(from);
  const lead = to.length - from.length;
  return to.map((_, axis) => axis < lead || from[axis - lead] === 1 ? 0 : strides[axis - lead]!);
}

/** Reads `x` on the host at strides and shifts, the float64 meaning of most ops here. */
function stridedRead(x: HostTensor, out: Shape, strides: readonly number[], base = 0): number[] {
  const outStrides = stridesOf(out);
  return Array.from({ length: numel(out) }, (_, i) => {
    const at = out.reduce(
      (sum, size, axis) => sum + (Math.floor(i / outStrides[axis]!) % size) * strides[axis]!,
      base,
    );
    return x.data[at]!;
  });
}

const reshapeOp: Op<"x", { shape: Shape }> = defineGather({
  name: "reshape",
  shape({ x }, { shape }) {
    if (numel(shape) !== numel(x.shape)) {
      throw new ShapeError(`Cannot reshape [${x.shape}] to [${shape}]: the sizes differ`);
    }
    return shape;
  },
  body: (at) => `return ${at("x", "i")};`,
  reference: ({ x }) => x.data,
  vjp: (gy, { x }) => ({ x: reshape(gy, x.shape) }),
  samples: [{ inputs: { x: [2, 3, 5] }, attrs: { shape: [5, 6] } }],
});

/** The same elements in row-major order under another shape; costs nothing. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : reshapeOp({ x }, { shape });
}

const transposeOp: Op<"x", { axes: readonly number[] }> = defineGather({
  name: "transpose",
  shape({ x }, { axes }) {
    if ([...axes].sort((a, b) => a - b).some((axis, i) => axis !== i) || axes.length !== x.rank) {
      throw new ShapeError(`Cannot transpose [${x.shape}] by axes [${axes}]`);
    }
    return axes.map((axis) => x.shape[axis]!);
  },
  blocks: (_, { axes }) => axes.map((axis) => ({ x: axis })),
  body(at, { x }, { axes }, out) {
    const strides = stridesOf(x.shape);
    return `return ${
      at("x", indexExpression("i", out.shape, axes.map((axis) => strides[axis]!)))
    };`;
  },
  reference({ x }, { axes }) {
    const strides = stridesOf(x.shape);
    return stridedRead(
      x,
      axes.map((axis) => x.shape[axis]!),
      axes.map((axis) => strides[axis]!),
    );
  },
  vjp: (gy, _, { axes }) => ({ x: transpose(gy, axes.map((_, axis) => axes.indexOf(axis))) }),
  samples: [
    { inputs: { x: [2, 3, 5, 7] }, attrs: { axes: [0, 2, 3, 1] } },
    { inputs: { x: [3, 5, 2] }, attrs: { axes: [2, 1, 0] } },
    { inputs: { x: [1, 33, 17] }, attrs: { axes: [0, 2, 1] } },
  ],
});

/** Permutes axes: axis `k` of the result is axis `axes[k]` of `x`. */
export function transpose(x: Tensor, axes: readonly number[]): Tensor {
  return transposeOp({ x }, { axes });
}

const expandOp: Op<"x", { shape: Shape }> = defineGather({
  name: "expand",
  shape({ x }, { shape }) {
    if (!sameShape(broadcastShapes([x.shape, shape], "expand"), shape)) {
      throw new ShapeError(`Cannot expand [${x.shape}] to [${shape}]`);
    }
    return shape;
  },
  body: (at, { x }, _, out) =>
    `return ${at("x", indexExpression("i", out.shape, broadcastStrides(x.shape, out.shape)))};`,
  reference: ({ x }, { shape }) => stridedRead(x, shape, broadcastStrides(x.shape, shape)),
  vjp: (gy) => ({ x: gy }),
  samples: [
    { inputs: { x: [3, 1, 5] }, attrs: { shape: [2, 3, 4, 5] } },
    { inputs: { x: [] }, attrs: { shape: [7] } },
  ],
});

/** Repeats `x` along axes of size 1 and along new leading axes. */
export function expand(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : expandOp({ x }, { shape });
}

const sliceOp: Op<"x", { start: readonly number[]; size: Shape }> = defineGather({
  name: "slice",
  shape({ x }, { start, size }) {
    const fits = start.length === x.rank && size.length === x.rank &&
      start.every((from, axis) => from >= 0 && from + size[axis]! <= x.shape[axis]!);
    if (!fits) throw new ShapeError(`Cannot slice [${x.shape}] from [${start}], size [${size}]`);
    return size;
  },
  body: (at, { x }, { start, size }) =>
    `return ${at("x", indexExpression("i", size, stridesOf(x.shape), start))};`,
  reference({ x }, { start, size }) {
    const strides = stridesOf(x.shape);
    return stridedRead(
      x,
      size,
      strides,
      start.reduce((sum, from, axis) => sum + from * strides[axis]!, 0),
    );
  },
  vjp: (gy, { x }, { start }) => ({
    x: pad(gy, start, x.shape.map((whole, axis) => whole - start[axis]! - gy.shape[axis]!)),
  }),
  samples: [
    { inputs: { x: [3, 5, 7] }, attrs: { start: [1, 0, 2], size: [2, 5, 3] } },
    { inputs: { x: [9] }, attrs: { start: [8], size: [1] } },
  ],
});

/**
 * The block of `x` that begins at `start` and has shape `size`. Of what was padded or expanded to
 * `x`, it is taken from the source where that has all of it.
 */
export function slice(x: Tensor, start: readonly number[], size: Shape): Tensor {
  if (sameShape(x.shape, size)) return x;
  if (x.source.kind === "op") {
    const { op, inputs: { x: source }, attrs } = x.source;
    if (op.name === "pad" && sameShape(source!.shape, size)) {
      const { before } = attrs as { before: readonly number[] };
      if (start.every((from, axis) => from === before[axis])) return source!;
    }
    if (op.name === "expand" && source!.rank === x.rank) {
      const repeated = source!.shape.map((length) => length === 1);
      const from = start.map((first, axis) => repeated[axis] ? 0 : first);
      return expand(slice(source!, from, size.map((n, axis) => repeated[axis] ? 1 : n)), size);
    }
  }
  return sliceOp({ x }, { start, size });
}

/** Where in the flat values of x the block of a slice begins, if it is one run of them; else null. */
export function sliceOffset(
  x: Shape,
  { start, size }: { readonly start: readonly number[]; readonly size: Shape },
): number | null {
  const lastCut = size.findLastIndex((length, axis) => length !== x[axis]);
  if (size.slice(0, lastCut).some((length) => length !== 1)) return null;
  return stridesOf(x).reduce((offset, stride, axis) => offset + start[axis]! * stride, 0);
}

const padOp: Op<"x", { before: readonly number[]; after: readonly number[] }> = defineGather({
  name: "pad",
  shape({ x }, { before, after }) {
    if ([...before, ...after].some((n) => n < 0) || before.length + after.length !== 2 * x.rank) {
      throw new ShapeError(`Cannot pad [${x.shape}] by [${before}] and [${after}]`);
    }
    return x.shape.map((size, axis) => before[axis]! + size + after[axis]!);
  },
  body(at, { x }, { before }, out) {
    const outStrides = stridesOf(out.shape);
    const strides = stridesOf(x.shape);
    const lines: string[] = [];
    const terms: string[] = [];
    out.shape.forEach((size, axis) => {
      const coordinate = `(i / ${outStrides[axis]}u) % ${size}u`;
      if (size === x.shape[axis]) {
        terms.push(`(${coordinate}) * ${strides[axis]}u`);
        return;
      }
      // Unsigned subtraction wraps below `before`, so one comparison covers both ends.
      lines.push(`let c${axis} = ${coordinate} - ${before[axis]}u;`);
      lines.push(`if (c${axis} >= ${x.shape[axis]}u) { return 0.0; }`);
      terms.push(`c${axis} * ${strides[axis]}u`);
    });
    return `${lines.join(" ")} return ${at("x", terms.join(" + ") || "0u")};`;
  },
  reference({ x }, { before, after }) {
    const shape = x.shape.map((size, axis) => before[axis]! + size + after[axis]!);
    const [outStrides, strides] = [stridesOf(shape), stridesOf(x.shape)];
    return Array.from({ length: numel(shape) }, (_, i) => {
      const at = shape.map((size, axis) =>
        Math.floor(i / outStrides[axis]!) % size - before[axis]!
      );
      const inside = at.every((c, axis) => c >= 0 && c < x.shape[axis]!);
      return inside ? x.data[at.reduce((sum, c, axis) => sum + c * strides[axis]!, 0)]! : 0;
    });
  },
  vjp: (gy, { x }, { before }) => ({ x: slice(gy, before, x.shape) }),
  samples: [
    { inputs: { x: [2, 3, 5] }, attrs: { before: [0, 1, 2], after: [0, 0, 3] } },
    { inputs: { x: [7] }, attrs: { before: [3], after: [0] } },
  ],
});

/** Surrounds `x` with zeros, `before` and `after` elements along each axis. */
export function pad(x: Tensor, before: readonly number[], after: readonly number[]): Tensor {
  return [...before, ...after].every((n) => n === 0) ? x : padOp({ x }, { before, after });
}

/** Joins tensors along an axis: a sum of padded parts, which fuses into one kernel. */
export function concat(parts: Tensor[], axis: number): Tensor {
  const total = parts.reduce((sum, part) => sum + part.shape[axis]!, 0);
  let start = 0;
  const padded = parts.map((part) => {
    const before = part.shape.map((_, k) => k === axis ? start : 0);
    const after = part.shape.map((size, k) => k === axis ? total - start - size : 0);
    start += part.shape[axis]!;
    return pad(part, before, after);
  });
  return padded.reduce(add);
}
