/** Multi-head self-attention: one launch, and two for its gradient, where the adapter is a GPU. */
import attentionWgsl from "../../../kernels/attention.wgsl" with { type: "text" };
import attentionGradWgsl from "../../../kernels/attention_grad.wgsl" with { type: "text" };
import attentionStatsWgsl from "../../../kernels/attention_stats.wgsl" with { type: "text" };
import commonWgsl from "../../../kernels/common/attention.wgsl" with { type: "text" };
import commonGyWgsl from "../../../kernels/common/attention_gy.wgsl" with { type: "text" };
import type { AdapterKind } from "../../gpu/device.ts";
import { partialVjp } from "../grad.ts";
import { defineComposite, defineOp, type HostTensor, type Kernel, type Op } from "../op.ts";
import { numel, type Shape, type Tensor } from "../tensor.ts";
import { add, exp, log, mul, sub } from "./elementwise.ts";
import { entry, headScores, headSums, indexOf, part, sizesOf } from "./heads.ts";
import { matmul } from "./matmul.ts";
import { softmax } from "./normalize.ts";
import { sum } from "./reduce.ts";
import { concat, reshape, slice, transpose } from "./shape.ts";

type None = Record<never, never>;
const NONE: None = {};

/** The shape of attention's result. */
function shapeOf(qkv: Tensor): Shape {
  const { n, t, h, d } = sizesOf(qkv);
  return [n, t, h, d];
}

/** Widest head that the kernels take, and tokens of one workgroup. */
const WIDEST = 64;
const TOKENS = 16;

/** `[n, h, t, t]`: of each query (row) with each key. */
function scoresOf(qkv: Tensor): Tensor {
  const q = mul(part(qkv, 0), 1 / Math.sqrt(sizesOf(qkv).d));
  return matmul({ a: q, b: part(qkv, 1) }, { transposeB: true });
}

/** Attention in other ops. `mask` `[t, t]` is added to the scores; null lets every token see all. */
function composed(qkv: Tensor, mask: Tensor | null): Tensor {
  const scores = scoresOf(qkv);
  const shares = softmax(mask ? add(scores, mask) : scores);
  return transpose(matmul({ a: shares, b: part(qkv, 2) }, {}), [0, 2, 1, 3]);
}

/** The cotangent of qkv in other ops. */
const composedGrad = (qkv: Tensor, gy: Tensor) => partialVjp(composed(qkv, null), gy, [qkv])[0]!;

/** The scores, and how much each query (row) sees of each key, with no copy of a head. */
function sharesInPlace(qkv: Tensor) {
  const scores = headScores({ a: qkv, b: qkv }, { a: 0, b: 1 });
  return { scores, shares: softmax(mul(scores, 1 / Math.sqrt(sizesOf(qkv).d))) };
}

function inPlace(qkv: Tensor): Tensor {
  const { shares } = sharesInPlace(qkv);
  return reshape(headSums({ a: shares, b: qkv }, { part: 2 }), shapeOf(qkv));
}

function inPlaceGrad(qkv: Tensor, gy: Tensor): Tensor {
  const { n, t, h, d } = sizesOf(qkv);
  const g = reshape(gy, [n, t, 1, h, d]);
  const { scores, shares } = sharesInPlace(qkv);
  const ofShares = headScores({ a: g, b: qkv }, { a: 0, b: 2 });
  const ofScores = partialVjp(shares, ofShares, [scores])[0]!;
  return concat([
    headSums({ a: ofScores, b: qkv }, { part: 1 }),
    headSums({ a: ofScores, b: qkv }, { part: 0, transpose: true }),
    headSums({ a: shares, b: g }, { part: 0, transpose: true }),
  ], 2);
}

const kernelsFit = (adapter: AdapterKind, qkv: Tensor) =>
  adapter === "gpu" && sizesOf(qkv).d <= WIDEST;

const attentionOp: Op<"qkv", None> = defineComposite({
  name: "attention",
  shape: ({ qkv }) => shapeOf(qkv),
  blocks: () => [{ qkv: 0 }, null, null, null],
  compose({ qkv }, _, adapter) {
    if (adapter === "cpu") return inPlace(qkv);
    return kernelsFit(adapter, qkv) ? attentionRows({ qkv }, NONE) : composed(qkv, null);
  },
  reference: ({ qkv }) => attend(qkv).out,
  vjp: (gy, { qkv }) => ({ qkv: attentionGrad({ qkv, gy }, NONE) }),
  samples: [
    { inputs: { qkv: [2, 5, 3, 2, 7] }, attrs: NONE },
    { inputs: { qkv: [1, 19, 3, 3, 4] }, attrs: NONE },
  ],
});

/** Cotangent of attention's qkv. */
const attentionGrad: Op<"qkv" | "gy", None> = defineComposite({
  name: "attention_grad",
  shape: ({ qkv }) => qkv.shape,
  blocks: () => [{ qkv: 0, gy: 0 }, null, null, null, null],
  compose({ qkv, gy }, _, adapter) {
    if (adapter === "cpu") return inPlaceGrad(qkv, gy);
    if (!kernelsFit(adapter, qkv)) return composedGrad(qkv, gy);
    return attentionRowsGrad({ qkv, gy, stats: attentionStats({ qkv, gy }, NONE) }, NONE);
  },
  reference: ({ qkv, gy }) => attendBack(qkv, gy, attend(qkv, gy).stats),
  vjp(v, { qkv, gy }) {
    const [ofQkv, ofGy] = partialVjp(composedGrad(qkv, gy), v, [qkv, gy]);
    return { qkv: ofQkv!, gy: ofGy! };
  },
  samples: [{ inputs: { qkv: [2, 5, 3, 2, 3], gy: [2, 5, 2, 3] }, attrs: NONE }],
});

/**
 * Multi-head self-attention. qkv `[n, t, 3, h, d]` → `[n, t, h, d]`: every token's `softmax(q · k /
 * √d)` of all tokens' v. A mask `[t, t]` is added to the scores of query (row) against key (column).
 */
export function attention(qkv: Tensor, mask: Tensor | null = null): Tensor {
  return mask ? composed(qkv, mask) : attentionOp({ qkv }, NONE);
}

/** Multiplications and additions for a pair of tokens and a head, for so many products of them. */
const perPair = (qkv: Tensor, products: number) => 2 * products * sizesOf(qkv).d * sizesOf(qkv).t;

function kernel<I extends string>(
  name: string,
  source: string,
  groupsPerHead: number,
): Kernel<I | "qkv", None> {
  return {
    name,
    source,
    when: (adapter) => adapter === "gpu",
    params({ qkv }) {
      const { n, t, h, d } = sizesOf(qkv);
      return { batch: n, tokens: t, heads: h, width: d, scale: 1 / Math.sqrt(d) };
    },
    grid: ({ batch, tokens, heads }) => [
      Math.ceil(tokens! / TOKENS),
      heads! * groupsPerHead,
      batch!,
    ],
    rereads: true,
  };
}

/** Attention by its kernel, for heads up to 64 wide. */
const attentionRows: Op<"qkv", None> = defineOp({
  name: "attention_rows",
  shape: ({ qkv }) => shapeOf(qkv),
  blocks: () => [{ qkv: 0 }, null, null, null],
  operations: ({ qkv }) => perPair(qkv, 2) / sizesOf(qkv).d,
  kernels: [kernel<never>("attention", commonWgsl + attentionWgsl, 1)],
  reference: ({ qkv }) => attend(qkv).out,
  vjp: (gy, { qkv }) => ({ qkv: composedGrad(qkv, gy) }),
  samples: [
    { inputs: { qkv: [2, 5, 3, 2, 7] }, attrs: NONE },
    { inputs: { qkv: [1, 35, 3, 3, 64] }, attrs: NONE },
  ],
});

/**
 * Of each row of the scores, the logarithm of the sum of their exponentials, and gy · out:
 * `[n, h, t, 2]`.
 */
const attentionStats: Op<"qkv" | "gy", None> = defineOp({
  name: "attention_stats",
  shape({ qkv }) {
    const { n, t, h } = sizesOf(qkv);
    return [n, h, t, 2];
  },
  blocks: () => [{ qkv: 0, gy: 0 }, null, null, null],
  precise: true,
  operations: ({ qkv }) => perPair(qkv, 2) / 2,
  kernels: [kernel<"gy">("attention_stats", commonWgsl + commonGyWgsl + attentionStatsWgsl, 1)],
  reference: ({ qkv, gy }) => attend(qkv, gy).stats,
  vjp(v, { qkv, gy }) {
    const { n, t, h } = sizesOf(qkv);
    const scores = scoresOf(qkv);
    const logSum = log(sum(exp(scores), [3], true));
    const products = matmul({ a: byHead(gy), b: part(qkv, 2) }, { transposeB: true });
    const inner = sum(mul(exp(sub(scores, logSum)), products), [3], true);
    const stats = concat([logSum, inner].map((x) => reshape(x, [n, h, t, 1])), 3);
    const [ofQkv, ofGy] = partialVjp(stats, v, [qkv, gy]);
    return { qkv: ofQkv!, gy: ofGy! };
  },
  samples: [{ inputs: { qkv: [2, 19, 3, 2, 5], gy: [2, 19, 2, 5] }, attrs: NONE }],
});

/** gy `[n, t, h, d]` as `[n, h, t, d]`. */
const byHead = (gy: Tensor) => transpose(gy, [0, 2, 1, 3]);

/** Cotangent of qkv, given the statistics of the scores' rows. */
const attentionRowsGrad: Op<"qkv" | "gy" | "stats", None> = defineOp({
  name: "attention_rows_grad",
  shape: ({ qkv }) => qkv.shape,
  blocks: () => [{ qkv: 0, gy: 0, stats: 0 }, null, null, null, null],
  operations: ({ qkv }) => perPair(qkv, 8) / (3 * sizesOf(qkv).d),
  kernels: [
    kernel<"gy" | "stats">("attention_grad", commonWgsl + commonGyWgsl + attentionGradWgsl, 3),
  ],
  reference: ({ qkv, gy, stats }) => attendBack(qkv, gy, stats.data),
  vjp(v, { qkv, gy, stats }) {
    const { n, t, h, d } = sizesOf(qkv);
    const column = (i: number) => slice(stats, [0, 0, 0, i], [n, h, t, 1]);
    const [q, k, value] = [0, 1, 2].map((i) => part(qkv, i)) as [Tensor, Tensor, Tensor];
    const g = byHead(gy);
    const shares = exp(sub(scoresOf(qkv), column(0)));
    const products = matmul({ a: g, b: value }, { transposeB: true });
    const ds = mul(mul(shares, sub(products, column(1))), 1 / Math.sqrt(d));
    const parts = [
      matmul({ a: ds, b: k }, {}),
      matmul({ a: ds, b: q }, { transposeA: true }),
      matmul({ a: shares, b: g }, { transposeA: true }),
    ].map((x) => reshape(transpose(x, [0, 2, 1, 3]), [n, t, 1, h, d]));
    const [ofQkv, ofGy, ofStats] = partialVjp(concat(parts, 2), v, [qkv, gy, stats]);
    return { qkv: ofQkv!, gy: ofGy!, stats: ofStats! };
  },
  samples: [{
    inputs: { qkv: [2, 19, 3, 2, 5], gy: [2, 19, 2, 5], stats: [2, 2, 19, 2] },
    attrs: NONE,
    // About what the logarithms are.
    fill: { stats: (i, random) => i % 2 === 0 ? 2 + random() : random() - 0.5 },
  }],
});

/** Attention on the host, and its statistics for a cotangent gy. */
function attend(qkv: HostTensor, gy?: HostTensor): { out: Float64Array; stats: Float64Array } {
  const { n, t, h, d } = sizesOf(qkv);
  const out = new Float64Array(n * t * h * d);
  const stats = new Float64Array(n * h * t * 2);
  eachRow(qkv, (b, head, i) => {
    const scores = Array.from({ length: t }, (_, j) => scoreAt(qkv, b, head, i, j));
    const total = scores.reduce((a, s) => a + Math.exp(s), 0);
    const at = 2 * ((b * h + head) * t + i);
    stats[at] = Math.log(total);
    for (let c = 0; c < d; c++) {
      const to = ((b * t + i) * h + head) * d + c;
      scores.forEach((s, j) => out[to]! += Math.exp(s) / total * entry(qkv, 2, b, j, head, c));
      if (gy) stats[at + 1]! += gy.data[to]! * out[to]!;
    }
  });
  return { out, stats };
}

/** The cotangent of qkv on the host. */
function attendBack(qkv: HostTensor, gy: HostTensor, stats: ArrayLike<number>): Float64Array {
  const { t, h, d } = sizesOf(qkv);
  const out = new Float64Array(numel(qkv.shape));
  eachRow(qkv, (b, head, i) => {
    const at = 2 * ((b * h + head) * t + i);
    const g = (c: number) => gy.data[((b * t + i) * h + head) * d + c]!;
    for (let j = 0; j < t; j++) {
      const share = Math.exp(scoreAt(qkv, b, head, i, j) - stats[at]!);
      let product = 0;
      for (let c = 0; c < d; c++) product += g(c) * entry(qkv, 2, b, j, head, c);
      const ds = share * (product - stats[at + 1]!) / Math.sqrt(d);
      for (let c = 0; c < d; c++) {
        out[indexOf(qkv, 0, b, i, head, c)]! += ds * entry(qkv, 1, b, j, head, c);
        out[indexOf(qkv, 1, b, j, head, c)]! += ds * entry(qkv, 0, b, i, head, c);
        out[indexOf(qkv, 2, b, j, head, c)]! += share * g(c);
      }
    }
  });
  return out;
}

function eachRow(qkv: HostTensor, visit: (b: number, head: number, i: number) => void): void {
  const { n, t, h } = sizesOf(qkv);
  for (let b = 0; b < n; b++) {
    for (let head = 0; head < h; head++) {
      for (let i = 0; i < t; i++) visit(b, head, i);
    }
  }
}

function scoreAt(qkv: HostTensor, b: number, head: number, i: number, j: number): number {
  const { d } = sizesOf(qkv);
  let score = 0;
  for (let c = 0; c < d; c++) score += entry(qkv, 0, b, i, head, c) * entry(qkv, 1, b, j, head, c);
  return score / Math.sqrt(d);
}
