/**
 * Convolutions of 3x3 by Winograd's F(2x2, 3x3) (winograd.ts) on GPUs. The numbers of tiles and of their
 * products stay within a workgroup: beside those of the weights, nothing is written and read that a
 * direct kernel would not.
 */
import convWgsl from "../../../kernels/winograd_conv.wgsl" with { type: "text" };
import weightsWgsl from "../../../kernels/winograd_weights.wgsl" with { type: "text" };
import { ShapeError } from "../../errors.ts";
import { LEAST_WORKGROUP_BYTES } from "../../gpu/device.ts";
import { partialVjp } from "../grad.ts";
import { defineOp, type Op } from "../op.ts";
import type { Call } from "../split.ts";
import { dims, numel, type Tensor } from "../tensor.ts";
import { conv2d, type ConvAttrs, convTranspose2d, type ConvTransposeAttrs } from "./conv.ts";
import { foldGroups, PER_ELEMENT, perElement, ROW_GROUPS } from "./launch.ts";
import { matmul } from "./matmul.ts";
import { slice, transpose } from "./shape.ts";
import { cyclesOf, MORE, productsIn } from "./tiles.ts";
import {
  ofSquares,
  OUTPUTS,
  weightNumbers,
  WEIGHTS,
  WINDOW,
  winogradOutputs,
  winogradTiles,
} from "./winograd.ts";

interface WeightsAttrs {
  /** For a transposed convolution: w is `[i, o, 3, 3]`, and turned around. */
  readonly turned: boolean;
}

function channelsOf(w: { shape: readonly number[] }, { turned }: WeightsAttrs) {
  const { a, b, kh, kw } = dims(w, "a b kh kw");
  if (kh !== 3 || kw !== 3) throw new ShapeError(`Cannot transform weights [${w.shape}]: not 3x3`);
  return turned ? { I: a, O: b } : { I: b, O: a };
}

/** Input channels that the kernel of a convolution takes at once. */
const DEPTH = 3;
const wholeTurns = (I: number) => Math.ceil(I / DEPTH) * DEPTH;

/**
 * w `[o, i, 3, 3]` → the 16 numbers of each pair of channels, `[16, i, o]`, and zeros for what i lacks
 * to a multiple of 3.
 */
export const winogradWeights: Op<"w", WeightsAttrs> = defineOp({
  name: "winograd_weights",
  shape({ w }, attrs) {
    const { I, O } = channelsOf(w, attrs);
    return [16, wholeTurns(I), O];
  },
  blocks: (_, { turned }) => [null, null, { w: turned ? 1 : 0 }],
  precise: true,
  operations: () => 2,
  kernels: [{
    name: "winograd_weights",
    source: weightsWgsl,
    params({ w }, attrs) {
      const { I, O } = channelsOf(w, attrs);
      return { count: wholeTurns(I) * O, I, O, turned: Number(attrs.turned) };
    },
    consts: PER_ELEMENT,
    cost: ({ count }) => MORE.launch + 100 * MORE.byte * count!,
    grid: perElement,
    rereads: true,
  }],
  reference({ w }, attrs) {
    const { I, O } = channelsOf(w, attrs);
    const matrix = ofSquares(WEIGHTS);
    const count = wholeTurns(I) * O;
    return Float64Array.from({ length: 16 * count }, (_, at) => {
      const [o, i] = [at % O, Math.floor(at % count / O)];
      if (i >= I) return 0;
      const row = matrix[Math.floor(at / count)]!;
      const first = 9 * (attrs.turned ? i * O + o : o * I + i);
      return row.reduce((sum, v, k) => sum + v * w.data[first + (attrs.turned ? 8 - k : k)]!, 0);
    });
  },
  vjp(gy, { w }, { turned }) {
    const { I, O } = channelsOf(w, { turned });
    const numbers = weightNumbers(w, turned);
    const inOrder = turned ? numbers : transpose(numbers, [0, 2, 1]);
    return { w: partialVjp(inOrder, slice(gy, [0, 0, 0], [16, I, O]), [w])[0]! };
  },
  samples: [
    { inputs: { w: [5, 3, 3, 3] }, attrs: { turned: false } },
    { inputs: { w: [5, 3, 3, 3] }, attrs: { turned: true } },
  ],
});

interface FusedAttrs {
  /** Zeros around x. */
  readonly pad: number;
  /** Set where it computes a value again that was not kept. */
  readonly again?: true;
}

function sizesOf(
  { x, u }: Record<"x" | "u", { shape: readonly number[] }>,
  { pad }: FusedAttrs,
) {
  const { n: batch, i: I, h, w } = dims(x, "n i h w");
  const { numbers, i, O } = dims(u, "numbers i O");
  const [oh, ow] = [h + 2 * pad - 2, w + 2 * pad - 2];
  if (numbers !== 16 || i !== wholeTurns(I) || oh < 1 || ow < 1) {
    throw new ShapeError(`Cannot convolve [${x.shape}] with numbers [${u.shape}], padding ${pad}`);
  }
  return { batch, I, h, w, O, oh, ow, pad };
}

/** Channels, and tiles across and down, of a workgroup. */
const BLOCK = { channels: 32, across: 8, down: 4 };
/** What a workgroup shares: numbers of weights and of tiles for `DEPTH` channels, and patches, each twice. */
const WORKGROUP_BYTES = 2 * 4 * DEPTH * (2 * 16 * 32 + 270) + 64;

function gridOf({ batch, O, oh, ow }: Record<string, number>): [number, number, number] {
  const blocks = Math.ceil(oh! / (2 * BLOCK.down)) * Math.ceil(ow! / (2 * BLOCK.across));
  const [x, y] = foldGroups(batch! * blocks);
  return [x, y, Math.ceil(O! / BLOCK.channels)];
}

/**
 * `conv2d` of 3x3 at stride 1 by the numbers of its weights: x `[n, i, h, w]`, u `[16, i, o]` as from
 * `winogradWeights`.
 */
export const winogradConvFused: Op<"x" | "u", FusedAttrs> = defineOp({
  name: "winograd_conv",
  shape(inputs, attrs) {
    const { batch, O, oh, ow } = sizesOf(inputs, attrs);
    return [batch, O, oh, ow];
  },
  blocks: () => [{ x: 0 }, { u: 2 }, null, null],
  operations: ({ x }) => 8 * x.shape[1]!,
  kernels: [{
    name: "winograd_conv",
    source: productsIn(false) + convWgsl,
    when: (adapter, _, { workgroupBytes = LEAST_WORKGROUP_BYTES }) =>
      adapter !== "cpu" && WORKGROUP_BYTES <= workgroupBytes,
    params: sizesOf,
    fours: ({ O }, may) => O! % 4 === 0 && may("u") ? ["u"] : [],
    consts: { TM: 8, TN: 8, SLICES: 1, THREADS: 256, ROW_GROUPS, ALONE: 1 },
    // What surrounds the turns takes as long as four of them.
    cost: (p) =>
      cyclesOf({
        threads: 256,
        registers: 128,
        instructions: 282,
        turns: wholeTurns(p.I!) / DEPTH + 4,
      }, gridOf(p).reduce((a, b) => a * b)),
    grid: gridOf,
    rereads: true,
  }],
  reference({ x, u }, attrs) {
    const { batch, I, h, w, O, oh, ow, pad } = sizesOf({ x, u }, attrs);
    const [windows, outputs] = [ofSquares(WINDOW), ofSquares(OUTPUTS)];
    return Float64Array.from({ length: batch * O * oh * ow }, (_, at) => {
      const [column, y] = [at % ow, Math.floor(at / ow) % oh];
      const [o, n] = [Math.floor(at / (oh * ow)) % O, Math.floor(at / (O * oh * ow))];
      const [top, left] = [y - y % 2 - pad, column - column % 2 - pad];
      const inside = (dy: number, dx: number) =>
        top + dy >= 0 && top + dy < h && left + dx >= 0 && left + dx < w;
      return windows.reduce((sum, row, number) => {
        let product = 0;
        for (let i = 0; i < I; i++) {
          const plane = (n * I + i) * h;
          const value = row.reduce((d, v, k) => {
            const [dy, dx] = [Math.floor(k / 4), k % 4];
            return inside(dy, dx) ? d + v * x.data[(plane + top + dy) * w + left + dx]! : d;
          }, 0);
          product += value * u.data[(number * wholeTurns(I) + i) * O + o]!;
        }
        return sum + outputs[number]![y % 2 * 2 + column % 2]! * product;
      }, 0);
    });
  },
  vjp(gy, { x, u }, attrs) {
    const { batch, I, O, oh, ow, pad } = sizesOf({ x, u }, attrs);
    const tiles = batch * Math.ceil(oh / 2) * Math.ceil(ow / 2);
    const b = winogradTiles({ x }, { pad, window: 4, first: 0, tiles, columns: tiles });
    const a = slice(u, [0, 0, 0], [16, I, O]);
    const m = matmul({ a, b }, { transposeA: true });
    const [ofX, ofU] = partialVjp(winogradOutputs({ m }, { batch, oh, ow }), gy, [x, u]);
    return { x: ofX!, u: ofU! };
  },
  samples: [
    { inputs: { x: [2, 3, 9, 17], u: [16, 3, 5] }, attrs: { pad: 1 } },
    { inputs: { x: [1, 7, 12, 35], u: [16, 9, 36] }, attrs: { pad: 0 } },
    { inputs: { x: [3, 1, 2, 3], u: [16, 3, 33] }, attrs: { pad: 2 } },
  ],
});

/** A convolution of 3x3 at stride 1, or its transpose, by these; null for any other call. */
export function winogradFused({ op, inputs, attrs }: Call): Tensor | null {
  const turned = op === convTranspose2d.spec;
  if (op !== conv2d.spec && !turned) return null;
  const { x, w } = inputs as Record<"x" | "w", Tensor>;
  const { stride, pad, outputPadding = [0, 0], again } = attrs as
    & ConvAttrs
    & Partial<ConvTransposeAttrs>
    & Pick<FusedAttrs, "again">;
  const isFit = stride === 1 && pad <= 2 && numel(w.shape.slice(2)) === 9 && w.shape[2] === 3 &&
    !outputPadding.some(Boolean);
  if (!isFit) return null;
  const u = winogradWeights({ w }, { turned });
  return winogradConvFused({ x, u }, { pad: turned ? 2 - pad : pad, ...again && { again } });
}
