/**
 * Products of attention's heads for software adapters, which read and write them where they lie among
 * the others: `[n, t, parts, h, d]`, of which a part is what all heads of a kind have, q, k or v.
 */
import { ShapeError } from "../../errors.ts";
import { partialVjp } from "../grad.ts";
import { defineOp, type HostTensor, type Op } from "../op.ts";
import { dims, type Shape, type Tensor } from "../tensor.ts";
import { cpuKernels, matmul } from "./matmul.ts";
import { reshape, slice, transpose } from "./shape.ts";

/** The sizes of `[n, t, parts, h, d]`. */
export const sizesOf = (x: { shape: Shape }) => dims(x, "n t parts h d");

/** A part of x as `[n, h, t, d]`. */
export function part(x: Tensor, i: number): Tensor {
  const { n, t, h, d } = sizesOf(x);
  const only = slice(x, [0, 0, i, 0, 0], [n, t, 1, h, d]);
  return transpose(reshape(only, [n, t, h, d]), [0, 2, 1, 3]);
}

/** Where a part lies: its begin, and the steps between samples, heads and tokens. */
function placeOf(x: { shape: Shape }, part: number) {
  const { t, parts, h, d } = sizesOf(x);
  const token = parts * h * d;
  return { start: part * h * d, sample: t * token, head: d, token };
}

/** The index of an element: component c of a head, of token t of sample n. */
export function indexOf(
  x: { shape: Shape },
  part: number,
  n: number,
  t: number,
  h: number,
  c: number,
): number {
  const { start, sample, head, token } = placeOf(x, part);
  return start + n * sample + h * head + t * token + c;
}

/** That element, on the host. */
export const entry = (
  x: HostTensor,
  ...place: [part: number, n: number, t: number, h: number, c: number]
): number => x.data[indexOf(x, ...place)]!;

export interface PartsOf {
  /** The part of each input. */
  readonly a: number;
  readonly b: number;
}

/** a · b of each token of a (row) with each of b: two of `[n, t, parts, h, d]` → `[n, h, t, t]`. */
export const headScores: Op<"a" | "b", PartsOf> = defineOp({
  name: "head_scores",
  shape({ a, b }) {
    const { n, t, h, d } = sizesOf(a);
    const other = sizesOf(b);
    if (other.n !== n || other.t !== t || other.h !== h || other.d !== d) {
      throw new ShapeError(`Cannot multiply the heads of [${a.shape}] by those of [${b.shape}]`);
    }
    return [n, h, t, t];
  },
  blocks: () => [{ a: 0, b: 0 }, null, null, null],
  operations: ({ a }) => 2 * sizesOf(a).d,
  kernels: cpuKernels("head_scores", ({ a, b }, parts) => {
    const { n, t, h, d } = sizesOf(a);
    const [ofA, ofB] = [placeOf(a, parts.a), placeOf(b, parts.b)];
    return {
      products: n * h,
      inner: h,
      M: t,
      N: t,
      K: d,
      a_start: ofA.start,
      a_outer: ofA.sample,
      a_batch: ofA.head,
      a_m: ofA.token,
      a_k: 1,
      b_start: ofB.start,
      b_outer: ofB.sample,
      b_batch: ofB.head,
      b_k: 1,
      b_n: ofB.token,
      out_outer: h * t * t,
      out_batch: t * t,
      out_m: t,
    };
  }),
  reference({ a, b }, parts) {
    const { n, t, h, d } = sizesOf(a);
    return Float64Array.from({ length: n * h * t * t }, (_, i) => {
      const [sample, head] = [Math.floor(i / (h * t * t)), Math.floor(i / (t * t)) % h];
      const [row, column] = [Math.floor(i / t) % t, i % t];
      let sum = 0;
      for (let c = 0; c < d; c++) {
        sum += entry(a, parts.a, sample, row, head, c) * entry(b, parts.b, sample, column, head, c);
      }
      return sum;
    });
  },
  vjp(gy, { a, b }, parts) {
    const product = matmul({ a: part(a, parts.a), b: part(b, parts.b) }, { transposeB: true });
    const [ofA, ofB] = partialVjp(product, gy, [a, b]);
    return { a: ofA!, b: ofB! };
  },
  samples: [
    { inputs: { a: [2, 5, 3, 2, 7], b: [2, 5, 1, 2, 7] }, attrs: { a: 1, b: 0 } },
    { inputs: { a: [1, 50, 1, 3, 4], b: [1, 50, 3, 3, 4] }, attrs: { a: 0, b: 2 } },
  ],
});

export interface HeadSumsAttrs {
  /** The part of b. */
  readonly part: number;
  /** a is `[n, h, from, to]`. */
  readonly transpose?: boolean;
}

/**
 * What each token gathers from all: a, their weights, `[n, h, to, from]`, b `[n, t, parts, h, d]` →
 * `[n, t, 1, h, d]`.
 */
export const headSums: Op<"a" | "b", HeadSumsAttrs> = defineOp({
  name: "head_sums",
  shape({ a, b }) {
    const { n, t, h, d } = sizesOf(b);
    if (a.shape.join() !== [n, h, t, t].join()) {
      throw new ShapeError(`Cannot weigh the heads of [${b.shape}] by [${a.shape}]`);
    }
    return [n, t, 1, h, d];
  },
  blocks: () => [{ a: 0, b: 0 }, null, null, null, null],
  operations: ({ b }) => 2 * sizesOf(b).t,
  kernels: cpuKernels("head_sums", ({ b }, { part, transpose }) => {
    const { n, t, h, d } = sizesOf(b);
    const { start, sample, head, token } = placeOf(b, part);
    return {
      products: n * h,
      inner: h,
      M: t,
      N: d,
      K: t,
      a_start: 0,
      a_outer: h * t * t,
      a_batch: t * t,
      a_m: transpose ? 1 : t,
      a_k: transpose ? t : 1,
      b_start: start,
      b_outer: sample,
      b_batch: head,
      b_k: token,
      b_n: 1,
      out_outer: t * h * d,
      out_batch: d,
      out_m: h * d,
    };
  }),
  reference({ a, b }, { part, transpose }) {
    const { n, t, h, d } = sizesOf(b);
    return Float64Array.from({ length: n * t * h * d }, (_, i) => {
      const [sample, to] = [Math.floor(i / (t * h * d)), Math.floor(i / (h * d)) % t];
      const [head, c] = [Math.floor(i / d) % h, i % d];
      let sum = 0;
      for (let from = 0; from < t; from++) {
        const [row, column] = transpose ? [from, to] : [to, from];
        const weight = a.data[((sample * h + head) * t + row) * t + column]!;
        sum += weight * entry(b, part, sample, from, head, c);
      }
      return sum;
    });
  },
  vjp(gy, { a, b }, { part: i, transpose: transposeA = false }) {
    const { n, t, h, d } = sizesOf(b);
    const product = matmul({ a, b: part(b, i) }, { transposeA });
    const out = reshape(transpose(product, [0, 2, 1, 3]), [n, t, 1, h, d]);
    const [ofA, ofB] = partialVjp(out, gy, [a, b]);
    return { a: ofA!, b: ofB! };
  },
  samples: [
    { inputs: { a: [2, 2, 5, 5], b: [2, 5, 3, 2, 7] }, attrs: { part: 2 } },
    {
      inputs: { a: [1, 3, 50, 50], b: [1, 50, 1, 3, 4] },
      attrs: { part: 0, transpose: true },
    },
  ],
});
