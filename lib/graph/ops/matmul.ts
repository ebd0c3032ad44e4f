/** Matrix products. */
import lanesWgsl from "../../../kernels/common/lanes.wgsl" with { type: "text" };
import outerWgsl from "../../../kernels/common/outer.wgsl" with { type: "text" };
import matmulCpuWgsl from "../../../kernels/matmul_cpu.wgsl" with { type: "text" };
import matmulSmallWgsl from "../../../kernels/matmul_small.wgsl" with { type: "text" };
import matmulTiledWgsl from "../../../kernels/matmul_tiled.wgsl" with { type: "text" };
import { LANES } from "../../gpu/device.ts";
import { ShapeError } from "../../errors.ts";
import { defineOp, type HostTensor, type Kernel, type Op } from "../op.ts";
import { numel, type Shape, type Tensor } from "../tensor.ts";
import { PER_ELEMENT, perElement } from "./launch.ts";
import { matmulMatrixKernels, MATRIX_MEANS } from "./matrix_kernels.ts";
import { reshape } from "./shape.ts";
import { sum } from "./reduce.ts";
import { tiledKernels } from "./tiles.ts";

export interface MatmulAttrs {
  /** a is stored as `[..., k, m]`. */
  readonly transposeA?: boolean;
  /** b is stored as `[..., n, k]`. */
  readonly transposeB?: boolean;
}

export interface Sizes {
  readonly batch: Shape;
  readonly bBatched: boolean;
  readonly aBatched: boolean;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

export function sizes(a: { shape: Shape }, b: { shape: Shape }, attrs: MatmulAttrs): Sizes {
  const [aRows, aCols] = a.shape.slice(-2);
  const [bRows, bCols] = b.shape.slice(-2);
  const [M, K] = attrs.transposeA ? [aCols, aRows] : [aRows, aCols];
  const [bK, N] = attrs.transposeB ? [bCols, bRows] : [bRows, bCols];
  const [aBatch, bBatch] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const agree = aBatch.join() === bBatch.join() || aBatch.length === 0 || bBatch.length === 0;
  if (a.shape.length < 2 || b.shape.length < 2 || K !== bK || !agree) {
    const t = (on?: boolean) => on ? " transposed" : "";
    throw new ShapeError(
      `Cannot multiply [${a.shape}]${t(attrs.transposeA)} by [${b.shape}]${t(attrs.transposeB)}: ` +
        `inner sizes are ${K} and ${bK}, leading axes must be equal or missing`,
    );
  }
  return {
    batch: aBatch.length > 0 ? aBatch : bBatch,
    aBatched: aBatch.length > 0,
    bBatched: bBatch.length > 0,
    M: M!,
    N: N!,
    K: K!,
  };
}

export function params({ a, b }: Record<"a" | "b", Tensor>, attrs: MatmulAttrs) {
  const { batch, M: rows, N, K, aBatched, bBatched } = sizes(a, b, attrs);
  // Rows of a batch that share b lie behind each other: they are one product.
  const joined = aBatched && !bBatched && !attrs.transposeA;
  const M = joined ? numel(batch) * rows : rows;
  const [a_m, a_k] = attrs.transposeA ? [1, M] : [K, 1];
  const [b_k, b_n] = attrs.transposeB ? [1, K] : [N, 1];
  const [a_batch, b_batch] = [aBatched ? M * K : 0, bBatched ? K * N : 0];
  const products = joined ? 1 : numel(batch);
  const strides = { a_batch, a_m, a_k, b_batch, b_k, b_n };
  return { count: products * M * N, products, parts: 1, part_steps: K, M, N, K, ...strides };
}

/** Multiplications up to which a software adapter takes the small kernel: a tenth of a millisecond. */
const SMALL = 2 ** 17;

/** Grid of one workgroup per `rows` x `columns` block of each product. */
function blocks(rows: number, columns: number) {
  return ({ products, M, N }: Record<string, number>): [number, number, number] => [
    Math.ceil(N! / columns),
    Math.ceil(M! / rows),
    products!,
  ];
}

/** Blocks of software adapters: rows, columns. */
const CPU_BLOCKS = [[8, 32], [8, 64], [32, 32], [32, 64], [40, 64], [40, 72], [48, 64]] as const;

/**
 * Instructions of such a block for each step of the sum, as Mesa's driver compiles it: 11 to load an
 * element of a row or column, 5 to add eight products to sums that have to be in memory.
 */
const instructions = (rows: number, columns: number) =>
  11 * (rows + columns) + 5 * rows * columns / 8;

/** The kernels of products for software adapters; `params` gives those of kernels/matmul_cpu.wgsl. */
export function cpuKernels<I extends string, A>(
  name: string,
  params: Kernel<I, A>["params"],
): Kernel<I, A>[] {
  return CPU_BLOCKS.map(([ROWS, COLUMNS]) => ({
    name: `${name}_cpu_${ROWS}x${COLUMNS}`,
    source: outerWgsl + lanesWgsl + matmulCpuWgsl,
    when: (adapter) => adapter === "cpu",
    cost: (p) => blocks(ROWS, COLUMNS)(p).reduce((a, b) => a * b) * instructions(ROWS, COLUMNS),
    params,
    consts: { LANES, ROWS, COLUMNS },
    grid: blocks(ROWS, COLUMNS),
    rereads: true,
  }));
}

/** The kernels of products for GPUs. */
export function gpuKernels<A>(params: Kernel<"a" | "b", A>["params"]): Kernel<"a" | "b", A>[] {
  return tiledKernels({
    name: "matmul",
    source: matmulTiledWgsl,
    params,
    fours: ({ a_m, M, b_n, N }, may) => [
      ...a_m === 1 && M! % 4 === 0 && may("a") ? ["a"] : [],
      ...b_n === 1 && N! % 4 === 0 && may("b") ? ["b", "out"] : [],
    ],
    grid: (rows, columns) => (p) => {
      const [x, y, products] = blocks(rows, columns)(p);
      return [x, y, products * p.parts!];
    },
    steps: ({ part_steps }) => part_steps!,
    fetching: 50,
  });
}

/** For each axis of a product, those of the operands. */
export function axes({ a, b }: Record<"a" | "b", Tensor>, attrs: MatmulAttrs) {
  const { batch, aBatched, bBatched } = sizes(a, b, attrs);
  return [
    ...batch.map((_, axis) => ({ ...aBatched && { a: axis }, ...bBatched && { b: axis } })),
    { a: a.rank - (attrs.transposeA ? 1 : 2) },
    { b: b.rank - (attrs.transposeB ? 2 : 1) },
  ];
}

/** The axis of each operand that is summed over. */
export const summed = (
  { a, b }: Record<"a" | "b", { readonly rank: number }>,
  { transposeA, transposeB }: MatmulAttrs,
) => ({ a: a.rank - (transposeA ? 2 : 1), b: b.rank - (transposeB ? 1 : 2) });

/** The product in float64, of the terms with k from `first` up to `end`. */
export function productOf(
  { a, b }: Record<"a" | "b", HostTensor>,
  attrs: MatmulAttrs,
  first = 0,
  end = Infinity,
): number[] {
  const { batch, M, N, K, aBatched, bBatched } = sizes(a, b, attrs);
  const out: number[] = [];
  for (let s = 0; s < numel(batch); s++) {
    for (let m = 0; m < M; m++) {
      for (let n = 0; n < N; n++) {
        let total = 0;
        for (let k = first; k < Math.min(end, K); k++) {
          const atA = (aBatched ? s * M * K : 0) + (attrs.transposeA ? k * M + m : m * K + k);
          const atB = (bBatched ? s * K * N : 0) + (attrs.transposeB ? n * K + k : k * N + n);
          total += a.data[atA]! * b.data[atB]!;
        }
        out.push(total);
      }
    }
  }
  return out;
}

/**
 * `[..., m, k] x [..., k, n]` → `[..., m, n]`, either operand transposed on the way if asked.
 * Leading axes are equal, or one operand has none and serves every product.
 */
export const matmul: Op<"a" | "b", MatmulAttrs> = defineOp({
  name: "matmul",
  shape({ a, b }, attrs) {
    const { batch, M, N } = sizes(a, b, attrs);
    return [...batch, M, N];
  },
  blocks: axes,
  addends: summed,
  operations: ({ a, b }, attrs) => 2 * sizes(a, b, attrs).K,
  kernels: [
    // Drivers of software adapters take 0.2 to 0.4 s to compile the large ones, this one 0.03 s.
    {
      name: "matmul_small",
      source: matmulSmallWgsl,
      when: (adapter, { count, K }) => adapter === "cpu" && count! * K! <= SMALL,
      params,
      consts: PER_ELEMENT,
      grid: perElement,
      rereads: true,
    },
    ...cpuKernels<"a" | "b", MatmulAttrs>("matmul", (inputs, attrs) => {
      const given = params(inputs, attrs);
      const { products, M, N } = given;
      const out = { out_outer: 0, out_batch: M * N, out_m: N };
      const whole = { inner: products, a_start: 0, a_outer: 0, b_start: 0, b_outer: 0 };
      return { ...given, ...whole, ...out };
    }),
    ...MATRIX_MEANS.flatMap((means) => matmulMatrixKernels(means, params)),
    ...gpuKernels<MatmulAttrs>(params),
  ],
  reference: ({ a, b }, attrs) => productOf({ a, b }, attrs),
  vjp(gy, { a, b }, { transposeA = false, transposeB = false }) {
    const { aBatched, bBatched } = sizes(a, b, { transposeA, transposeB });
    // A = a or aᵀ, B = b or bᵀ: gA = gy Bᵀ and gB = Aᵀ gy, transposed back to how they are stored.
    const ga = transposeA
      ? matmul({ a: b, b: gy }, { transposeA: transposeB, transposeB: true })
      : matmul({ a: gy, b }, { transposeB: !transposeB });
    if (bBatched || gy.rank === 2) {
      const gb = transposeB
        ? matmul({ a: gy, b: a }, { transposeA: true, transposeB: transposeA })
        : matmul({ a, b: gy }, { transposeA: !transposeA });
      return { a: aBatched ? ga : sumBatch(ga), b: gb };
    }
    // One b for the whole batch: its gradient is one product over all rows, where a is in rows.
    if (transposeA) {
      const each = transposeB
        ? matmul({ a: gy, b: a }, { transposeA: true, transposeB: true })
        : matmul({ a, b: gy }, {});
      return { a: ga, b: sumBatch(each) };
    }
    const rows = reshape(a, [numel(a.shape) / a.shape.at(-1)!, a.shape.at(-1)!]);
    const gRows = reshape(gy, [numel(gy.shape) / gy.shape.at(-1)!, gy.shape.at(-1)!]);
    const gb = transposeB
      ? matmul({ a: gRows, b: rows }, { transposeA: true })
      : matmul({ a: rows, b: gRows }, { transposeA: true });
    return { a: ga, b: gb };

    function sumBatch(g: typeof gy) {
      return g.rank === 2 ? g : sum(g, g.shape.slice(0, -2).keys().toArray());
    }
  },
  samples: [
    { inputs: { a: [5, 7], b: [7, 3] }, attrs: {} },
    { inputs: { a: [7, 5], b: [7, 3] }, attrs: { transposeA: true } },
    { inputs: { a: [65, 33], b: [67, 33] }, attrs: { transposeB: true } },
    { inputs: { a: [17, 9], b: [5, 17] }, attrs: { transposeA: true, transposeB: true } },
    { inputs: { a: [3, 5, 7], b: [3, 7, 4] }, attrs: {} },
    { inputs: { a: [2, 3, 5, 7], b: [2, 3, 9, 7] }, attrs: { transposeB: true } },
    { inputs: { a: [3, 7, 5], b: [7, 4] }, attrs: { transposeA: true } },
    { inputs: { a: [3, 7, 5], b: [4, 7] }, attrs: { transposeA: true, transposeB: true } },
    { inputs: { a: [3, 5, 7], b: [7, 4] }, attrs: {} },
    { inputs: { a: [2, 3, 5, 7], b: [4, 7] }, attrs: { transposeB: true } },
    { inputs: { a: [5, 7], b: [3, 7, 4] }, attrs: {} },
    { inputs: { a: [1, 130], b: [130, 1] }, attrs: {} },
    { inputs: { a: [130, 1], b: [1, 66] }, attrs: {} },
  ],
});
