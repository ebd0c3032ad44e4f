/**
 * 3x3 convolutions whose taps share what is loaded of the image (kernels/conv_patch.wgsl and conv_up.wgsl),
 * for GPUs.
 */
import convPatchWgsl from "../../../kernels/conv_patch.wgsl" with { type: "text" };
import convUpWgsl from "../../../kernels/conv_up.wgsl" with { type: "text" };
import { LEAST_WORKGROUP_BYTES } from "../../gpu/device.ts";
import type { Kernel } from "../op.ts";
import { foldGroups, ROW_GROUPS } from "./launch.ts";
import { cyclesOf, productsIn } from "./tiles.ts";

/** What a workgroup computes, and in how many parts. */
interface Block {
  readonly STRIDE: 1 | 2;
  /** Channels. */
  readonly ROWS: number;
  /** Pixels. */
  readonly WIDTH: 8 | 32;
  readonly HEIGHT: number;
  /** Parts of the workgroup that share the input channels. */
  readonly SLICES: number;
}

/** All of 256 threads. */
const BLOCKS: readonly Block[] = [
  { STRIDE: 1, ROWS: 64, WIDTH: 32, HEIGHT: 8, SLICES: 1 },
  // Few channels.
  { STRIDE: 1, ROWS: 32, WIDTH: 32, HEIGHT: 16, SLICES: 1 },
  // Small images.
  { STRIDE: 1, ROWS: 32, WIDTH: 8, HEIGHT: 16, SLICES: 4 },
  { STRIDE: 2, ROWS: 64, WIDTH: 32, HEIGHT: 8, SLICES: 1 },
];

const THREADS = 256;
const TAPS = 9;
/** Of a thread: 8 channels at 8 pixels. */
const SUMS = 64;

/** Kernels of `conv2d` at stride 1 or 2, or of its transpose at stride 1, for weights of 3x3. */
export function convPatchKernels<A>(
  op: string,
  transposed: boolean,
  params: Kernel<"x" | "w", A>["params"],
): Kernel<"x" | "w", A>[] {
  const blocks = BLOCKS.filter(({ STRIDE }) => STRIDE === 1 || !transposed);
  return [false, true].flatMap((half) =>
    blocks.map((block): Kernel<"x" | "w", A> => {
      const { STRIDE, ROWS, WIDTH, HEIGHT, SLICES } = block;
      const by = `${SLICES > 1 ? `_by_${SLICES}` : ""}${STRIDE > 1 ? `_stride_${STRIDE}` : ""}${
        half ? "_half" : ""
      }`;
      const grid = ({ batch, O, oh, ow }: Record<string, number>) => {
        const [x, y] = foldGroups(batch! * Math.ceil(oh! / HEIGHT) * Math.ceil(ow! / WIDTH));
        return [x, y, Math.ceil(O! / ROWS)] as [number, number, number];
      };
      return {
        name: `${op}_patch_${ROWS}x${WIDTH}x${HEIGHT}${by}`,
        source: productsIn(half) + convPatchWgsl,
        half,
        when: (adapter, { kh, kw, stride }, { workgroupBytes = LEAST_WORKGROUP_BYTES }) =>
          adapter !== "cpu" && kh === 3 && kw === 3 && stride === STRIDE &&
          workgroupBytesOf(block, half) <= workgroupBytes,
        params,
        fours: ({ ow }) => ow! % 4 === 0 ? ["out"] : [],
        consts: {
          ...block,
          TM: 8,
          TN: 8,
          THREADS,
          ROW_GROUPS,
          TRANSPOSED: Number(transposed),
        },
        cost: (p) => cycles(block, half, grid(p).reduce((a, b) => a * b), p.I!),
        grid,
        rereads: true,
      };
    })
  );
}

/** Vectors of four that a slice keeps for one input channel. */
function vectors({ STRIDE, ROWS, WIDTH, HEIGHT }: Block) {
  const [lines, quads] = [STRIDE * (HEIGHT - 1) + 3, STRIDE * WIDTH / 4 + 1];
  const room = 2 * STRIDE * (HEIGHT / 2 + 1) * quads;
  return { weights: TAPS * ROWS / 4, patch: lines * quads, room };
}

/** What a workgroup shares: weights and patches, twice, and a matrix of each thread of a slice. */
function workgroupBytesOf(block: Block, half: boolean): number {
  const { weights, room } = vectors(block);
  const kept = 2 * block.SLICES * (weights + room);
  const given = 4 * (block.SLICES > 1 ? THREADS / block.SLICES : 1);
  return (half ? 8 : 16) * kept + 16 * given;
}

/**
 * Cycles on a large GPU, as those of a tile are counted. A turn is one input channel, for which a thread
 * reads 18 vectors of weights and 8 of the patch, or 15 at stride 2.
 */
function cycles(block: Block, half: boolean, workgroups: number, channels: number): number {
  const { weights, patch } = vectors(block);
  const fetches = Math.ceil((weights + patch) / (THREADS / block.SLICES));
  const reads = 18 + (block.STRIDE === 1 ? 8 : 15);
  const products = TAPS * (half ? SUMS / 2 : SUMS) + reads + (half ? 2 * SUMS : 0);
  return cyclesOf({
    threads: THREADS,
    registers: (half ? 1.5 * SUMS : SUMS) + 60,
    instructions: products + 42 + 20 * fetches,
    turns: Math.ceil(channels / block.SLICES) + 1,
  }, workgroups);
}

/** Of a workgroup of conv_up.wgsl: channels, runs of eight pixels of the input, input channels at once. */
const UP = { channels: 32, runs: 32, depth: 2 };

/** What it shares: six taps, and for each run seven vectors of pixels, each twice. */
const upBytes = (half: boolean) =>
  (half ? 8 : 16) * 2 * UP.depth * (6 * UP.channels / 4 + 7 * UP.runs) + 64;

/** Kernels of a transposed convolution for weights of 3x3 at stride 2, without padding. */
export function convUpKernels<A>(
  op: string,
  params: Kernel<"x" | "w", A>["params"],
): Kernel<"x" | "w", A>[] {
  const grid = ({ batch, O, h, w }: Record<string, number>): [number, number, number] => {
    const runs = batch! * (h! + 1) * Math.ceil((w! + 1) / 8);
    const [x, y] = foldGroups(Math.ceil(runs / UP.runs));
    return [x, y, 2 * Math.ceil(O! / UP.channels)];
  };
  return [false, true].map((half): Kernel<"x" | "w", A> => {
    // Of six taps in even lines and three in odd ones, half of the workgroups each.
    const products = UP.depth * SUMS / 2 * 4.5 * (half ? 0.5 : 1);
    return {
      name: `${op}_up${half ? "_half" : ""}`,
      source: productsIn(half) + convUpWgsl,
      half,
      when: (adapter, p, { workgroupBytes = LEAST_WORKGROUP_BYTES }) =>
        adapter !== "cpu" && p.kh === 3 && p.kw === 3 && p.stride === 2 && p.pad === 0 &&
        p.oh === 2 * p.h! + 1 && p.ow === 2 * p.w! + 1 && upBytes(half) <= workgroupBytes,
      params,
      consts: { TM: 8, TN: 8, SLICES: 1, THREADS, ROW_GROUPS },
      cost: (p) =>
        cyclesOf({
          threads: THREADS,
          registers: (half ? 1.5 * SUMS : SUMS) + 60,
          instructions: products + (half ? 2 * SUMS : 0) + 18 + 42,
          turns: Math.ceil(p.I! / UP.depth) + 1,
        }, grid(p).reduce((a, b) => a * b)),
      grid,
      rereads: true,
    };
  });
}
