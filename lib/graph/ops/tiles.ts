/** The blocks in which GPUs compute matrix products (kernels/common/tile.wgsl), and what they cost. */
import halfWgsl from "../../../kernels/common/half.wgsl" with { type: "text" };
import outerWgsl from "../../../kernels/common/outer.wgsl" with { type: "text" };
import singleWgsl from "../../../kernels/common/single.wgsl" with { type: "text" };
import sumsWgsl from "../../../kernels/common/sums.wgsl" with { type: "text" };
import tileWgsl from "../../../kernels/common/tile.wgsl" with { type: "text" };
import { LEAST_WORKGROUP_BYTES } from "../../gpu/device.ts";
import type { Kernel } from "../op.ts";

type Params = Record<string, number>;
type Grid = [number, number, number];

/** A block of a product, and how a workgroup computes it. */
export interface Tile {
  readonly ROWS: number;
  readonly COLUMNS: number;
  /** Rows and columns of a thread. */
  readonly TM: 4 | 8;
  readonly TN: 4 | 8;
  /** Steps of the sum that a slice takes in a turn. */
  readonly DEPTH: 4 | 8;
  /** Parts of a workgroup that share the steps of the sum. */
  readonly SLICES: number;
  /** Whether it multiplies in half precision. */
  readonly half?: true;
}

/** All of 256 threads, so that products of any size can be launched side by side. */
const TILES: readonly Tile[] = [
  // Most multiplications for what is loaded.
  { ROWS: 128, COLUMNS: 128, TM: 8, TN: 8, DEPTH: 8, SLICES: 1 },
  // Four times as many workgroups.
  { ROWS: 64, COLUMNS: 64, TM: 8, TN: 8, DEPTH: 4, SLICES: 4 },
  // Products with few elements, of long sums.
  { ROWS: 32, COLUMNS: 32, TM: 4, TN: 4, DEPTH: 8, SLICES: 4 },
  // Few rows: colours, and vectors of a batch.
  { ROWS: 16, COLUMNS: 128, TM: 4, TN: 4, DEPTH: 4, SLICES: 2 },
  { ROWS: 16, COLUMNS: 32, TM: 4, TN: 4, DEPTH: 4, SLICES: 8 },
];

/** Turns of 8 steps, as the sums of each turn are converted; few rows would not gain by it. */
const HALF_TILES: readonly Tile[] = [
  { ROWS: 128, COLUMNS: 128, TM: 8, TN: 8, DEPTH: 8, SLICES: 1, half: true },
  { ROWS: 64, COLUMNS: 64, TM: 8, TN: 4, DEPTH: 8, SLICES: 2, half: true },
  { ROWS: 32, COLUMNS: 32, TM: 4, TN: 4, DEPTH: 8, SLICES: 4, half: true },
];

/**
 * The kernels of an op for GPUs, one a tile, whose own text is `source`. `grid` gives the workgroups
 * for blocks of such a size, `steps` the length of the sums. With `precise`, none of them multiplies
 * in half precision.
 */
export function tiledKernels<I extends string, A>(
  { name, source, consts, grid, steps, fetching, precise = false, ...kernel }:
    & Pick<Kernel<I, A>, "name" | "source" | "params" | "fours">
    & {
      readonly consts?: Record<string, number>;
      grid(rows: number, columns: number): (params: Params) => Grid;
      steps(params: Params): number;
      /** Instructions of a turn beside the products and their operands: fetching, and finding what. */
      readonly fetching: number;
      readonly precise?: boolean;
    },
): Kernel<I, A>[] {
  return [...TILES, ...precise ? [] : HALF_TILES].map((tile): Kernel<I, A> => {
    const { half = false, ...sizes } = tile;
    const { ROWS, COLUMNS, SLICES } = sizes;
    const gridOf = grid(ROWS, COLUMNS);
    return {
      ...kernel,
      name: `${name}_${ROWS}x${COLUMNS}${SLICES > 1 ? `_by_${SLICES}` : ""}${half ? "_half" : ""}`,
      source: productsIn(half) + tileWgsl + source,
      half,
      when: (adapter, _, { workgroupBytes = LEAST_WORKGROUP_BYTES }) =>
        adapter !== "cpu" && workgroupBytesOf(tile) <= workgroupBytes,
      cost: (params) =>
        cycles(tile, gridOf(params).reduce((a, b) => a * b), steps(params), fetching),
      consts: { ...consts, ...sizes, THREADS: threadsOf(tile) },
      grid: gridOf,
      rereads: true,
    };
  });
}

/** The texts of sums and of products, in half or single precision. */
export const productsIn = (half: boolean): string =>
  sumsWgsl + (half ? halfWgsl : outerWgsl + singleWgsl);

const threadsOf = ({ ROWS, COLUMNS, TM, TN, SLICES }: Tile) => ROWS * COLUMNS * SLICES / (TM * TN);

/** What a workgroup shares: the tiles, twice, and a matrix of each thread of a slice. */
function workgroupBytesOf({ ROWS, COLUMNS, TM, TN, DEPTH, SLICES, half }: Tile): number {
  const tiles = 2 * SLICES * DEPTH * (ROWS / 4 + 1 + COLUMNS / 4 + 1);
  const given = 4 * (SLICES > 1 ? ROWS * COLUMNS / (TM * TN) : 1);
  return (half ? 8 : 16) * tiles + 16 * given;
}

/** A large GPU: an H100 has 132 such units, each with 128 lanes and 65,536 registers, at 1.755 GHz. */
export const COUNTED_GPU = { units: 132, lanes: 128, registers: 65536, hertz: 1.755e9 };
/** Cycles for one launch more, 5 µs, and for each byte that is moved, at 4.8 TB/s. */
export const MORE = { launch: 5e-6 * COUNTED_GPU.hertz, byte: COUNTED_GPU.hertz / 4.8e12 };
/** Cycles of a turn at least: until what was fetched is there, kept and waited for. */
const LATENCY = 600;

/** What a workgroup does. */
interface Work {
  readonly threads: number;
  /** Of a thread. */
  readonly registers: number;
  /** Of a thread in a turn. */
  readonly instructions: number;
  /** Between which the threads wait for each other. */
  readonly turns: number;
}

/**
 * Cycles that `workgroups` take on a large GPU, counted and not measured: those of a unit run side by
 * side as far as its registers go, and a turn takes as long as their instructions do, but no less
 * than its latency.
 */
export function cyclesOf(work: Work, workgroups: number): number {
  const { threads, registers, instructions, turns } = work;
  const fit = Math.floor(COUNTED_GPU.registers / (registers * threads));
  const each = instructions * threads / COUNTED_GPU.lanes;
  const turn = (sideBySide: number) => sideBySide && Math.max(LATENCY, sideBySide * each);
  const onUnit = Math.ceil(workgroups / COUNTED_GPU.units);
  return turns * (Math.floor(onUnit / fit) * turn(fit) + turn(onUnit % fit));
}

/**
 * The same of a tile, for sums of so many steps. In half precision two products are one instruction
 * and two values one register; to add the sums of a turn is to convert each, and to add it.
 */
function cycles(tile: Tile, workgroups: number, steps: number, fetching: number): number {
  const { TM, TN, DEPTH, SLICES, half } = tile;
  const [sums, factors, loads] = [TM * TN, TM + TN, (TM + TN) / 4];
  const work = {
    threads: threadsOf(tile),
    registers: (half ? 1.5 * sums + factors / 2 : sums + factors) + 48,
    instructions: DEPTH * ((half ? sums / 2 : sums) + loads) + (half ? 2 * sums : 0) + fetching,
    turns: Math.ceil(steps / (DEPTH * SLICES)) + 1,
  };
  return cyclesOf(work, workgroups);
}
