/** Softmax and standardisation of rows: of the last axis. */
import normalizeWgsl from "../../../kernels/normalize.wgsl" with { type: "text" };
import normalizeGradWgsl from "../../../kernels/normalize_grad.wgsl" with { type: "text" };
import softmaxWgsl from "../../../kernels/softmax.wgsl" with { type: "text" };
import { defineOp, type HostTensor, type Op } from "../op.ts";
import { dims, type Tensor } from "../tensor.ts";
import { add, div, mul, neg, rsqrt, square, sub } from "./elementwise.ts";
import { rowKernels } from "./launch.ts";
import { mean, sum } from "./reduce.ts";

const rowParams = (x: Tensor) => {
  const { rows, cols } = dims({ shape: [1, ...x.shape] }, "...rows cols");
  return { rows, cols };
};

/** Every axis but the last can be cut, in all inputs alike. */
const perRow = (x: Tensor, inputs: readonly string[]) =>
  x.shape.map((_, axis) =>
    axis === x.rank - 1 ? null : Object.fromEntries(inputs.map((name) => [name, axis]))
  );

/** Calls `f` on each row of the last axis, on the host. */
function mapRows(x: HostTensor, f: (row: number[], start: number) => number[]): number[] {
  const cols = x.shape.at(-1)!;
  const out: number[] = [];
  for (let start = 0; start < x.data.length; start += cols) {
    out.push(...f(Array.from({ length: cols }, (_, k) => x.data[start + k]!), start));
  }
  return out;
}

const average = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;

const softmaxOp: Op<"x", Record<never, never>> = defineOp({
  name: "softmax",
  shape: ({ x }) => x.shape,
  blocks: ({ x }) => perRow(x, ["x"]),
  kernels: rowKernels({
    name: "softmax",
    source: softmaxWgsl,
    params: ({ x }) => rowParams(x),
  }),
  reference: ({ x }) =>
    mapRows(x, (row) => {
      const exps = row.map((value) => Math.exp(value - Math.max(...row)));
      return exps.map((value) => value / exps.reduce((a, b) => a + b, 0));
    }),
  vjp(gy, { out }) {
    const dot = sum(mul(gy, out), [out.rank - 1], true);
    return { x: mul(sub(gy, dot), out) };
  },
  samples: [
    { inputs: { x: [3, 5, 7] }, attrs: {} },
    { inputs: { x: [2, 129] }, attrs: {} },
    { inputs: { x: [3, 1] }, attrs: {} },
  ],
});

/** `exp(x) / Σ exp(x)` over the last axis. */
export const softmax = (x: Tensor): Tensor => softmaxOp({ x }, {});

const normalizeOp: Op<"x", { eps: number }> = defineOp({
  name: "normalize",
  shape: ({ x }) => x.shape,
  blocks: ({ x }) => perRow(x, ["x"]),
  kernels: rowKernels({
    name: "normalize",
    source: normalizeWgsl,
    params: ({ x }, { eps }) => ({ ...rowParams(x), eps }),
  }),
  reference: ({ x }, { eps }) =>
    mapRows(x, (row) => {
      const m = average(row);
      const scale = 1 / Math.sqrt(average(row.map((value) => (value - m) ** 2)) + eps);
      return row.map((value) => (value - m) * scale);
    }),
  vjp: (gy, { x }, attrs) => ({ x: normalizeGrad({ x, gy }, attrs) }),
  samples: [
    { inputs: { x: [3, 5, 7] }, attrs: { eps: 1e-5 } },
    { inputs: { x: [2, 130] }, attrs: { eps: 1e-2 } },
  ],
});

/** `(x - mean) / sqrt(var + eps)` over the last axis, with the biased variance: layer norm's core. */
export const normalize = (x: Tensor, eps: number): Tensor => normalizeOp({ x }, { eps });

const normalizeGrad: Op<"x" | "gy", { eps: number }> = defineOp({
  name: "normalize_grad",
  shape: ({ x }) => x.shape,
  blocks: ({ x }) => perRow(x, ["x", "gy"]),
  kernels: rowKernels({
    name: "normalize_grad",
    source: normalizeGradWgsl,
    params: ({ x }, { eps }) => ({ ...rowParams(x), eps }),
  }),
  reference: ({ x, gy }, { eps }) =>
    mapRows(x, (row, start) => {
      const g = row.map((_, k) => gy.data[start + k]!);
      const m = average(row);
      const scale = 1 / Math.sqrt(average(row.map((value) => (value - m) ** 2)) + eps);
      const y = row.map((value) => (value - m) * scale);
      const meanGy = average(y.map((value, k) => value * g[k]!));
      return y.map((value, k) => (g[k]! - average(g) - value * meanGy) * scale);
    }),
  // The cotangent is linear and symmetric in gy; for x, y and the scale are written out in ops.
  vjp(v, { x, gy }, { eps }) {
    const last = [x.rank - 1];
    const rowMean = (t: Tensor) => mean(t, last, true);
    const centred = sub(x, rowMean(x));
    const scale = rsqrt(add(rowMean(square(centred)), eps));
    const y = mul(centred, scale);
    const alongGy = rowMean(mul(gy, y));
    const alongV = rowMean(mul(v, y));
    const centredGy = sub(gy, rowMean(gy));
    // d/dx of <v, grad>, with D = gy - mean(gy) - y * mean(gy * y):
    // through y: -(alongGy * v + alongV * gy), through the scale: -mean(v * D) * y
    const through = neg(add(mul(v, alongGy), mul(gy, alongV)));
    const product = sub(rowMean(mul(v, centredGy)), mul(alongGy, alongV));
    const projected = sub(sub(through, rowMean(through)), mul(y, rowMean(mul(through, y))));
    const gx = mul(square(scale), sub(projected, mul(y, product)));
    return { gy: normalizeGrad({ x, gy: v }, { eps }), x: gx };
  },
  samples: [
    { inputs: { x: [3, 7], gy: [3, 7] }, attrs: { eps: 1e-3 } },
    { inputs: { x: [2, 67], gy: [2, 67] }, attrs: { eps: 1e-5 } },
  ],
});

/** `x / ‖x‖` over the last axis. */
export function unit(x: Tensor): Tensor {
  return mul(x, rsqrt(sum(square(x), [x.rank - 1], true)));
}

/** Cosine of the angle between the rows of `a` and `b`. */
export function cosine(a: Tensor, b: Tensor): Tensor {
  const last = [a.rank - 1];
  const norms = mul(sum(square(a), last), sum(square(b), [b.rank - 1]));
  return div(sum(mul(a, b), last), exactRoot(norms));
}

const exactRoot = (x: Tensor) => mul(x, rsqrt(x));
