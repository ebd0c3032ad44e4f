/** Kernels for tensor cores: which they are, with their constants and their grids. */
import matrixWgsl from "../../../kernels/common/matrix.wgsl" with { type: "text" };
import subgroupMatrixWgsl from "../../../kernels/common/subgroup_matrix.wgsl" with { type: "text" };
import convAxisWgsl from "../../../kernels/common/conv_axis.wgsl" with { type: "text" };
import convMatrixWgsl from "../../../kernels/conv_matrix.wgsl" with { type: "text" };
import convWeightGradMatrixWgsl from "../../../kernels/conv_weight_grad_matrix.wgsl" with {
  type: "text",
};
import matmulMatrixWgsl from "../../../kernels/matmul_matrix.wgsl" with { type: "text" };
import { MATRIX_UNITS, type MatrixUnit } from "../../gpu/matrix.ts";
import type { Limits } from "../../gpu/device.ts";
import type { Kernel } from "../op.ts";
import { foldGroups, ROW_GROUPS } from "./launch.ts";
import { cyclesOf } from "./tiles.ts";

type Params = Record<string, number>;
type Grid = [number, number, number];

/** How fragments are multiplied, and where. */
export interface MatrixMeans extends Pick<MatrixUnit, "edge" | "subgroup"> {
  /** Ends the names of kernels. */
  readonly name: string;
  /** The text of fragments. */
  readonly fragments: string;
  /** Values between two lines of a tile; a multiple of 4. */
  readonly padding: number;
  /** Whether a program has it. */
  fits(limits: Limits): boolean;
}

/**
 * Those of adapters. Lines 16 bytes longer than a power of two lie in different banks, and still start
 * where the hardware can load eight values at once.
 */
export const MATRIX_MEANS: readonly MatrixMeans[] = Object.entries(MATRIX_UNITS).map(
  ([kind, { edge, subgroup }]) => ({
    edge,
    subgroup,
    name: kind,
    fragments: subgroupMatrixWgsl,
    padding: 8,
    fits: ({ matrix }) => matrix === kind,
  }),
);

/** Subgroups in a workgroup: `DOWN` of rows by two of columns. */
const DOWN = 2;

/** Rows and columns of the block that a workgroup computes. */
const blockSize = ({ edge }: MatrixMeans) => ({ rows: 2 * DOWN * edge, columns: 8 * edge });

interface Layout {
  /** Steps of k between two barriers, in edges. */
  readonly steps: number;
  /** Whether neighbouring steps of k lie side by side in memory. */
  readonly aAlongK: boolean;
  readonly bAlongK: boolean;
  readonly tilesOfA?: number;
}

function constants(
  { edge, subgroup, padding }: MatrixMeans,
  { steps, aAlongK, bAlongK, tilesOfA = 1 }: Layout,
) {
  return {
    EDGE: edge,
    SUBGROUP: subgroup,
    PADDING: padding,
    DOWN,
    THREADS: 2 * DOWN * subgroup,
    DEPTH: steps * edge,
    TILES_A: tilesOfA,
    A_ALONG_K: Number(aAlongK),
    B_ALONG_K: Number(bAlongK),
  };
}

/** Instructions for each value that a thread fetches: where it is, whether, to load and to round it. */
const PER_VALUE = 5;
/** Cycles of a large GPU for a multiplication of 16x16x16; no more is known of smaller ones. */
const PER_PRODUCT = 13;

/** What a launch is counted to cost, in the cycles of `tiles.ts`, for sums of `turns` steps each. */
function cost({ edge, subgroup }: MatrixMeans, steps: number, turns: number, grid: number[]) {
  const threads = 2 * DOWN * subgroup;
  const values = (2 * DOWN + 8) * steps * edge ** 2 / threads;
  return cyclesOf({
    threads,
    registers: 8 * edge ** 2 / subgroup + 64,
    instructions: PER_VALUE * values + PER_PRODUCT * 8 * steps,
    turns: turns + 1,
  }, grid.reduce((a, b) => a * b));
}

/** Kernels of `matmul`, one for each way in which the operands may lie. */
export function matmulMatrixKernels<A>(
  means: MatrixMeans,
  params: Kernel<"a" | "b", A>["params"],
): Kernel<"a" | "b", A>[] {
  const { rows, columns } = blockSize(means);
  const grid = ({ products, M, N }: Params): Grid => [
    Math.ceil(N! / columns),
    Math.ceil(M! / rows),
    products!,
  ];
  return [true, false].flatMap((aAlongK) =>
    [true, false].map((bAlongK): Kernel<"a" | "b", A> => ({
      name: `matmul_${means.name}`,
      source: means.fragments + matrixWgsl + matmulMatrixWgsl,
      when: (_, { a_k, b_k, M, N, K }, limits) =>
        means.fits(limits) && (a_k === 1) === aAlongK && (b_k === 1) === bAlongK &&
        Math.min(M!, N!, K!) >= means.edge,
      params,
      consts: constants(means, { steps: 2, aAlongK, bAlongK }),
      cost: (p) => cost(means, 2, Math.ceil(p.K! / (2 * means.edge)), grid(p)),
      grid,
      rereads: true,
    }))
  );
}

/**
 * Kernels of `conv2d` or its transpose, for 3x3 and 1x1 weights: others are too many to be in
 * workgroup memory. In the parameters, I are the channels that are summed over.
 */
export function convMatrixKernels<A>(
  means: MatrixMeans,
  name: string,
  transposed: boolean,
  params: Kernel<"x" | "w", A>["params"],
): Kernel<"x" | "w", A>[] {
  const { rows, columns } = blockSize(means);
  const phases = (p: Params) => transposed ? p.stride! ** 2 : 1;
  const grid = (p: Params): Grid => {
    const every = transposed ? p.stride! : 1;
    const pixels = p.batch! * Math.ceil(p.oh! / every) * Math.ceil(p.ow! / every);
    const [x, y] = foldGroups(Math.ceil(pixels / columns));
    return [x, y, phases(p) * Math.ceil(p.O! / rows)];
  };
  return [{ TAPS: 9, steps: 1 }, { TAPS: 1, steps: 2 }].map(({ TAPS, steps }) => ({
    name: `${name}_${means.name}`,
    source: convAxisWgsl + means.fragments + matrixWgsl + convMatrixWgsl,
    when: (_, { kh, kw, I, O }, limits) =>
      means.fits(limits) && kh! * kw! === TAPS && Math.min(I!, O!) >= means.edge,
    params,
    consts: {
      ...constants(means, {
        steps,
        aAlongK: !transposed,
        bAlongK: false,
        tilesOfA: TAPS,
      }),
      TAPS,
      // The weights of nine taps leave no memory for another kernel's (side_by_side.ts).
      ...TAPS > 1 && { ALONE: 1 },
      TRANSPOSED: Number(transposed),
      ROW_GROUPS,
    },
    cost: (p) =>
      cost(means, steps, Math.ceil(p.I! / (steps * means.edge)) * TAPS / phases(p), grid(p)),
    grid,
    rereads: true,
  }));
}

/** The kernel of the weight gradient; the parameter `parts` counts the sums it is cut into. */
export function convWeightGradMatrixKernel<A>(
  means: MatrixMeans,
  params: Kernel<"x" | "gy", A>["params"],
): Kernel<"x" | "gy", A> {
  const { rows, columns } = blockSize(means);
  const grid = (p: Params): Grid => [
    Math.ceil(p.I! * p.kh! * p.kw! / columns),
    Math.ceil(p.O! / rows),
    p.parts!,
  ];
  return {
    name: `conv_weight_grad_${means.name}`,
    source: means.fragments + matrixWgsl + convWeightGradMatrixWgsl,
    when: (_, { I, O }, limits) => means.fits(limits) && Math.min(I!, O!) >= means.edge,
    params,
    consts: constants(means, { steps: 2, aAlongK: true, bAlongK: true }),
    cost: (p) => cost(means, 2, Math.ceil(p.part_lines! * p.ow! / (2 * means.edge)), grid(p)),
    grid,
    rereads: true,
  };
}
