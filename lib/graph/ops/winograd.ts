/**
 * Convolutions of 3x3 with 16 products for four outputs in place of 36: F(2x2, 3x3) of Winograd
 * (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016, section 4.1). Of each tile
 * of two by two outputs, the window of the input and the weights are transformed to 16 numbers each,
 * and the convolution becomes 16 matrix products of these.
 */
import outputsWgsl from "../../../kernels/winograd_outputs.wgsl" with { type: "text" };
import tilesWgsl from "../../../kernels/winograd_tiles.wgsl" with { type: "text" };
import { ShapeError } from "../../errors.ts";
import { partialVjp } from "../grad.ts";
import { defineOp, type Kernel, type Op } from "../op.ts";
import { constant, dims, numel, type Tensor } from "../tensor.ts";
import type { Call } from "../split.ts";
import {
  conv2d,
  type ConvAttrs,
  convTranspose2d,
  type ConvTransposeAttrs,
  convWeightGrad,
  type ConvWeightGradAttrs,
} from "./conv.ts";
import { add } from "./elementwise.ts";
import { PER_ELEMENT, perElement } from "./launch.ts";
import { matmul } from "./matmul.ts";
import { concat, pad, reshape, slice, transpose } from "./shape.ts";

type Matrix = readonly (readonly number[])[];

/** Bᵀ, of a window of the input. */
export const WINDOW: Matrix = [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]];
/** A, of a tile's outputs; its transpose gives them. */
export const OUTPUTS: Matrix = [[1, 0], [1, 1], [1, -1], [0, -1]];
/** G, of the weights. */
export const WEIGHTS: Matrix = [[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]];

/** What a matrix makes of the rows and the columns of a square, as one: `[16, n²]`. */
export function ofSquares(matrix: Matrix): Matrix {
  return matrix.flatMap((down) =>
    matrix.map((across) => down.flatMap((a) => across.map((b) => a * b)))
  );
}

const asTensor = (matrix: Matrix): Tensor =>
  constant(Float32Array.from(matrix.flat()), [matrix.length, matrix[0]!.length]);

interface TilesAttrs {
  /** Zeros around x. */
  readonly pad: number;
  /** Of what: windows of 4x4 of an input, or tiles of 2x2 of an output's cotangent. */
  readonly window: 4 | 2;
  /** Tiles from `first` on, by sample, row and column. */
  readonly first: number;
  readonly tiles: number;
  /** Not less than `tiles`. */
  readonly columns: number;
  /** So that equal ones, of the forward pass, are not kept until these are needed. */
  readonly again?: true;
}

/** How many tiles a sample has, down and across. */
function tilesOf(
  { h, w }: { h: number; w: number },
  { pad, window }: Pick<TilesAttrs, "pad" | "window">,
) {
  const along = (size: number) => Math.ceil((size + 2 * pad - window + 2) / 2);
  return { down: along(h), across: along(w) };
}

const sizesOf = (x: { shape: readonly number[] }) => {
  const { n: batch, c: channels, h, w } = dims(x, "n c h w");
  return { batch, channels, h, w };
};

/** x `[n, c, h, w]` → 16 numbers of each of its windows, `[16, c, columns]`, 0 beyond the tiles. */
export const winogradTiles: Op<"x", TilesAttrs> = defineOp({
  name: "winograd_tiles",
  shape({ x }, attrs) {
    const { batch, channels, h, w } = sizesOf(x);
    const { down, across } = tilesOf({ h, w }, attrs);
    const { first, tiles, columns } = attrs;
    if (first + tiles > batch * down * across || columns < tiles) {
      throw new ShapeError(
        `Cannot cut ${tiles} tiles from ${first} on out of [${x.shape}], in ${columns} columns`,
      );
    }
    return [16, channels, columns];
  },
  blocks: () => [null, { x: 1 }, null],
  operations: () => 2,
  kernels: ([4, 2] as const).map((WINDOW): Kernel<"x", TilesAttrs> => ({
    name: `winograd_tiles_${WINDOW}`,
    source: tilesWgsl,
    when: (_, { window }) => window === WINDOW,
    params({ x }, attrs, out) {
      const size = sizesOf(x);
      const { again: _, ...given } = attrs;
      return { count: numel(out.shape) / 16, ...size, ...given, ...tilesOf(size, attrs) };
    },
    consts: { ...PER_ELEMENT, WINDOW },
    grid: perElement,
    rereads: true,
  })),
  reference({ x }, attrs) {
    const { channels, h, w } = sizesOf(x);
    const { window, first, tiles, columns } = attrs;
    const { down, across } = tilesOf({ h, w }, attrs);
    const matrix = ofSquares(window === 4 ? WINDOW : OUTPUTS);
    return Float64Array.from({ length: 16 * channels * columns }, (_, i) => {
      if (i % columns >= tiles) return 0;
      const tile = first + i % columns;
      const channel = Math.floor(i / columns) % channels;
      const plane = Math.floor(tile / (down * across)) * channels + channel;
      const weights = matrix[Math.floor(i / (columns * channels))]!;
      return weights.reduce((sum, weight, k) => {
        const y = Math.floor(tile / across) % down * 2 - attrs.pad + Math.floor(k / window);
        const column = tile % across * 2 - attrs.pad + k % window;
        const inside = y >= 0 && y < h && column >= 0 && column < w;
        return inside ? sum + weight * x.data[(plane * h + y) * w + column]! : sum;
      }, 0);
    });
  },
  vjp(gy, { x }, attrs) {
    return { x: partialVjp(tilesByConvolution(x, attrs), gy, [x])[0]! };
  },
  samples: [
    { inputs: { x: [2, 3, 5, 7] }, attrs: { pad: 1, window: 4, first: 0, tiles: 24, columns: 27 } },
    { inputs: { x: [3, 2, 6, 5] }, attrs: { pad: 0, window: 4, first: 3, tiles: 7, columns: 7 } },
    { inputs: { x: [2, 3, 5, 7] }, attrs: { pad: 0, window: 2, first: 11, tiles: 9, columns: 10 } },
  ],
});

/** The same by a convolution. */
function tilesByConvolution(x: Tensor, attrs: TilesAttrs): Tensor {
  const { batch, channels, h, w } = sizesOf(x);
  const { window, first, tiles, columns } = attrs;
  const { down, across } = tilesOf({ h, w }, attrs);
  const beyond = (count: number, size: number) =>
    Math.max(0, 2 * (count - 1) + window - attrs.pad - size);
  const padded = pad(
    reshape(x, [batch * channels, 1, h, w]),
    [0, 0, attrs.pad, attrs.pad],
    [0, 0, beyond(down, h), beyond(across, w)],
  );
  const matrix = asTensor(ofSquares(window === 4 ? WINDOW : OUTPUTS));
  const filters = reshape(matrix, [16, 1, window, window]);
  const numbers = conv2d({ x: padded, w: filters }, { stride: 2, pad: 0 });
  const inOrder = transpose(reshape(numbers, [batch, channels, 16, down * across]), [2, 1, 0, 3]);
  const all = reshape(inOrder, [16, channels, batch * down * across]);
  const some = slice(all, [0, 0, first], [16, channels, tiles]);
  return pad(some, [0, 0, 0], [0, 0, columns - tiles]);
}

interface OutputsAttrs {
  readonly batch: number;
  readonly oh: number;
  readonly ow: number;
}

function outputTiles({ batch, oh, ow }: OutputsAttrs) {
  const { down, across } = tilesOf({ h: oh, w: ow }, { pad: 0, window: 2 });
  return { down, across, tiles: batch * down * across };
}

/** 16 numbers of each tile, `[16, c, columns]` → the outputs `[n, c, oh, ow]`. */
export const winogradOutputs: Op<"m", OutputsAttrs> = defineOp({
  name: "winograd_outputs",
  shape({ m }, attrs) {
    const { numbers, c, columns } = dims(m, "numbers c columns");
    if (numbers !== 16 || columns < outputTiles(attrs).tiles) {
      throw new ShapeError(
        `Cannot make [${[attrs.batch, c, attrs.oh, attrs.ow]}] of tiles [${m.shape}]`,
      );
    }
    return [attrs.batch, c, attrs.oh, attrs.ow];
  },
  blocks: () => [null, { m: 1 }, null, null],
  operations: () => 6,
  kernels: [{
    name: "winograd_outputs",
    source: outputsWgsl,
    params({ m }, attrs) {
      const { c: channels, columns } = dims(m, "numbers c columns");
      const { oh, ow } = attrs;
      const { down, across, tiles } = outputTiles(attrs);
      return { count: channels * tiles, channels, columns, tiles, down, across, oh, ow };
    },
    consts: PER_ELEMENT,
    grid: perElement,
  }],
  reference({ m }, attrs) {
    const { c, columns } = dims(m, "numbers c columns");
    const { batch, oh, ow } = attrs;
    const { down, across } = outputTiles(attrs);
    const matrix = ofSquares(OUTPUTS);
    return Float64Array.from({ length: batch * c * oh * ow }, (_, i) => {
      const [x, y] = [i % ow, Math.floor(i / ow) % oh];
      const [channel, sample] = [Math.floor(i / (oh * ow)) % c, Math.floor(i / (c * oh * ow))];
      const tile = (sample * down + Math.floor(y / 2)) * across + Math.floor(x / 2);
      return matrix.reduce(
        (sum, row, k) =>
          sum + row[y % 2 * 2 + x % 2]! * m.data[(k * c + channel) * columns + tile]!,
        0,
      );
    });
  },
  vjp(gy, { m }, attrs) {
    return { m: partialVjp(outputsByConvolution(m, attrs), gy, [m])[0]! };
  },
  samples: [
    { inputs: { m: [16, 3, 25] }, attrs: { batch: 2, oh: 5, ow: 7 } },
    { inputs: { m: [16, 2, 6] }, attrs: { batch: 1, oh: 4, ow: 6 } },
  ],
});

/** The same by a transposed convolution. */
function outputsByConvolution(m: Tensor, attrs: OutputsAttrs): Tensor {
  const { c } = dims(m, "numbers c columns");
  const { batch, oh, ow } = attrs;
  const { down, across, tiles } = outputTiles(attrs);
  const numbers = reshape(slice(m, [0, 0, 0], [16, c, tiles]), [16, c, batch, down * across]);
  const planes = reshape(transpose(numbers, [2, 1, 0, 3]), [batch * c, 16, down, across]);
  const whole = convTranspose2d({
    x: planes,
    w: reshape(asTensor(ofSquares(OUTPUTS)), [16, 1, 2, 2]),
  }, { stride: 2, pad: 0, outputPadding: [0, 0] });
  return reshape(slice(whole, [0, 0, 0, 0], [batch * c, 1, oh, ow]), [batch, c, oh, ow]);
}

/** Rows that begin so many bytes apart, or multiples, share few sets of a cache. */
const CACHE_WAY = 4096;

/** Columns for so many tiles: rows of whole fours that do not all begin in the same sets of a cache. */
function columnsFor(tiles: number): number {
  const columns = Math.ceil(tiles / 4) * 4;
  return 4 * columns % CACHE_WAY === 0 ? columns + 16 : columns;
}

/** Numbers take no more at once: what any adapter can bind. */
const MOST_BYTES = 2 ** 27;

/**
 * Into how many groups of equally many, by which `every` can be divided, tiles are cut; 0 where the
 * smallest group is too large.
 */
function groupsFor(channels: number, tiles: number, every: number): number {
  for (let groups = 1; groups <= every; groups++) {
    if (every % groups !== 0) continue;
    if (4 * 16 * channels * columnsFor(tiles / groups) <= MOST_BYTES) return groups;
  }
  return 0;
}

/**
 * The 16 numbers of each pair of channels of w `[o, i, 3, 3]`: `[16, o, i]`; turned around where the
 * convolution is transposed.
 */
export function weightNumbers(w: Tensor, turned: boolean): Tensor {
  const { o, i } = dims(w, "o i kh kw");
  const matrix = ofSquares(WEIGHTS).map((row) => turned ? row.toReversed() : row);
  const flat = reshape(w, [o * i, 9]);
  return reshape(matmul({ a: asTensor(matrix), b: flat }, { transposeB: true }), [16, o, i]);
}

/** `conv2d` of 3x3 at stride 1, or its transpose, of so many groups of samples one after the other. */
export function winogradConv(
  { x, w }: { x: Tensor; w: Tensor },
  { pad, transposed, groups }: { pad: number; transposed: boolean; groups: number },
): Tensor {
  const { batch, h, w: width } = sizesOf(x);
  const around = transposed ? 2 - pad : pad;
  const outputs = { batch: batch / groups, oh: h + 2 * around - 2, ow: width + 2 * around - 2 };
  const { tiles } = outputTiles(outputs);
  const attrs = { pad: around, window: 4, tiles, columns: columnsFor(tiles) } as const;
  const numbers = weightNumbers(w, transposed);
  const parts = Array.from({ length: groups }, (_, k) => {
    const b = winogradTiles({ x }, { ...attrs, first: k * tiles });
    return winogradOutputs({ m: matmul({ a: numbers, b }, { transposeA: transposed }) }, outputs);
  });
  return parts.length === 1 ? parts[0]! : concat(parts, 0);
}

/** `conv_weight_grad` of 3x3 at stride 1, of so many groups of tiles one after the other. */
export function winogradWeightGrad(
  { x, gy }: { x: Tensor; gy: Tensor },
  { pad, groups }: { pad: number; groups: number },
): Tensor {
  const { channels: i } = sizesOf(x);
  const { batch, channels: o, h: oh, w: ow } = sizesOf(gy);
  const tiles = outputTiles({ batch, oh, ow }).tiles / groups;
  const sums = Array.from({ length: groups }, (_, k) => {
    const part = { first: k * tiles, tiles, columns: columnsFor(tiles) };
    const b = winogradTiles({ x }, { ...part, pad, window: 4, again: true });
    const a = winogradTiles({ x: gy }, { ...part, pad: 0, window: 2 });
    return matmul({ a, b }, { transposeB: true });
  });
  const numbers = reshape(sums.reduce(add), [16, o * i]);
  const matrix = asTensor(ofSquares(WEIGHTS));
  return reshape(matmul({ a: numbers, b: matrix }, { transposeA: true }), [o, i, 3, 3]);
}

/**
 * What a tile costs software adapters for each pair of channels, in multiply-adds of a matrix product
 * (measured with Mesa's): 36 of a convolution or of a weight gradient, the 16 numbers of one channel,
 * and, for all tiles together, those of the weights.
 */
const COST = { convolution: 30, weightGrad: 40, numbers: 600, weights: 1000 };

/** Nothing else is to become slower for little: what is replaced takes no more than this of its time. */
const WORTH = 0.8;

const isWorth = (direct: number, I: number, O: number, tiles: number) =>
  16 + COST.numbers * (1 / I + 1 / O) + COST.weights / tiles <= WORTH * direct;

/**
 * A convolution of a software adapter by fewer products, where these are counted to take less time;
 * null for any other call. What it writes and reads on the way, four times as many numbers as the maps
 * have, is too much for GPUs, which have a kernel for all of it (winograd_fused.ts).
 */
export function byFewerProducts({ op, inputs, attrs }: Call): Tensor | null {
  const { x, w, gy } = inputs;
  const { stride, pad, outputPadding = [0, 0], kernel = w?.shape.slice(2) } = attrs as
    & ConvAttrs
    & Partial<ConvTransposeAttrs & ConvWeightGradAttrs>;
  const transposed = op === convTranspose2d.spec;
  if (op !== conv2d.spec && !transposed && op !== convWeightGrad.spec) return null;
  if (stride !== 1 || pad > 2 || kernel!.join() !== "3,3" || outputPadding.some(Boolean)) {
    return null;
  }
  const [batch, O, oh, ow] = gy?.shape ?? op.shape(inputs, attrs) as number[];
  const I = x!.shape[1]!;
  const { tiles } = outputTiles({ batch: batch!, oh: oh!, ow: ow! });
  if (!isWorth(COST[gy ? "weightGrad" : "convolution"], I, O!, tiles)) return null;
  const groups = groupsFor(Math.max(I, O!), tiles, gy ? tiles : batch!);
  if (groups === 0) return null;
  return gy
    ? winogradWeightGrad({ x: x!, gy }, { pad, groups })
    : winogradConv({ x: x!, w: w! }, { pad, transposed, groups });
}
