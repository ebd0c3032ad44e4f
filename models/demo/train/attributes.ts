/**
 * The image tower's last block: it tells people's attributes and no styles. The blocks before it stay
 * as they are, and with them where the gradient of a style's score leads:
 *
 * - What the block adds to the class token is orthogonal to what the scores of the styles read, to the
 *   vector of ones (the last norm takes the mean away) and to the mean class token (else its length
 *   would change, by which the norm divides).
 * - Penalties on how far it moves the class token, and on how much it moves the scores of photos and of
 *   pictures in other styles, keep the rest small: the norm's division is not linear.
 *
 * It is trained by cross entropy of the attributes' classes, on photos and on pictures in all other
 * styles, with a linear head, of which rows of the projection are made in the end. Almost all of a
 * token is the same for all pictures, so the block's norms start by taking just that away; and what
 * the block adds is scaled up, as it has to be seen beside large tokens.
 */
import type { Gpu } from "../../../lib/gpu/device.ts";
import {
  add,
  div,
  matmul,
  mean,
  mul,
  normalize,
  reshape,
  slice,
  square,
  sub,
  sum,
} from "../../../lib/graph/ops/mod.ts";
import { constant, input, numel, type Tensor } from "../../../lib/graph/tensor.ts";
import { ATTRIBUTES, classOf, LATENT_SIZE, sceneFromLatent, STYLE_NAMES } from "../world/mod.ts";
import {
  clipLeaves,
  fixedLeaves,
  lastBlock,
  type TransformerClip,
  withoutLastBlock,
} from "./clip_weights.ts";
import { CLASS_COUNTS, placeLength, waysOf } from "./codes.ts";
import { crossEntropy } from "./cross_entropy.ts";
import { weightLeaf } from "./optimiser.ts";
import { StepRandom } from "./random.ts";
import type { OpenStage } from "./run.ts";
import { drawLayers, drawPlanes, joined, OTHERS, rowsOf } from "./scenes.ts";
import { classState, classToken, seenByTower, towerStages } from "./tower.ts";
import { keptName, ofKind, startState, type TrainState, type Values } from "./values.ts";
import { dot, meanOf, orthonormal, plus, unitVector, type Vector } from "./vectors.ts";

const SCALE = 15;
const PENALTY = 20;
const SCORES_PENALTY = 1;
const RATES = { adam: 2e-3, muon: 0.01 };
const DECAYS = { adam: 0.05, muon: 0.03 };
const ADAM = { beta1: 0.9, beta2: 0.98 };
const CLASSES = CLASS_COUNTS.reduce((sum, count) => sum + count);

/** Names in a state of what is known of the tower before the last block. */
export const STYLE_ROWS = "known/style rows";
const BLIND = "known/blind";

const isOutput = (name: string) => /\.(out_proj|c_proj)\./.test(name);
const isMatrix = (_: string, { rank }: { rank: number }) => rank === 2;

/**
 * After the alignment: what the styles' scores read `[7, width]`, at a spread of 1 in all, what the last block may not touch
 * `[width, width]`, and a last block whose norms take away what tokens have in common.
 */
export async function prepareAttributes(
  gpu: Gpu,
  a: TransformerClip,
  state: TrainState,
  { places, scenes, seed }: { places: readonly Vector[]; scenes: number; seed: number },
): Promise<TrainState> {
  const weights = ofKind(state, "mean");
  const early = withoutLastBlock(a);
  const { width, imageSize: side, epsilon } = a.image;
  const random = new StepRandom(seed, -6);
  const pictures = Array.from({ length: Math.ceil(scenes / 8) }, () => {
    const layers = drawLayers(random.normals(LATENT_SIZE));
    return STYLE_NAMES.map((style) => drawPlanes(layers, style, side));
  }).flat();
  const photos = pictures.filter((_, i) => STYLE_NAMES[i % STYLE_NAMES.length] === "photo");
  const seen = (some: typeof pictures, make: Parameters<typeof seenByTower>[4]) =>
    seenByTower(gpu, early, weights, some, make);
  const states = await seen(
    pictures,
    ({ layers }, leaves) => classState(early, leaves, layers.at(-1)!),
  );
  const rows = ofUnitSpread(styleRows(weights.get("visual.proj")!, states, places), states);
  const classTokens = await seen(photos, ({ layers }) => classToken(layers.at(-1)!));
  const normed = await seen(photos, ({ layers }) => {
    const x = normalize(layers.at(-1)!, epsilon);
    return reshape(x, [x.shape[0]!, numel(x.shape.slice(1))]);
  });
  const gain = weights.get("visual.ln_post.weight")!.data;
  const blind = orthonormal([
    new Float64Array(width).fill(1),
    ...rows.map((row) => row.map((value, i) => value * gain[i]!)),
    meanOf(classTokens),
  ]);
  const started = new Map<string, Values>([
    ...ofKind(state, "weight"),
    ...weights,
    ...whitening(`${lastBlock(a)}.ln_1`, normed.flatMap((row) => tokensOf(row, width)), 1e-6),
    ...whitening(`${lastBlock(a)}.ln_2`, normed.map((row) => row.subarray(0, width)), 0.02),
    ...initialHead(width, new StepRandom(seed, -7)),
  ]);
  return {
    step: state.step,
    tensors: new Map([
      ...startState(started).tensors,
      ...weights.entries().map(([name, values]) => [keptName("mean", name), values] as const),
      [BLIND, { shape: [width, width], data: projector(blind) }],
      [STYLE_ROWS, {
        shape: [rows.length, width],
        data: joined(rows.map((row) => Float32Array.from(row))),
      }],
    ]),
  };
}

const tokensOf = (row: Vector, width: number): Vector[] =>
  Array.from({ length: row.length / width }, (_, i) => row.subarray(i * width, (i + 1) * width));

/** The matrix `[width, width]` that leaves the span of orthonormal vectors and takes the rest away. */
function projector(basis: readonly Vector[]): Float32Array<ArrayBuffer> {
  const width = basis[0]!.length;
  return Float32Array.from(
    { length: width * width },
    (_, i) => basis.reduce((sum, one) => sum + one[Math.floor(i / width)]! * one[i % width]!, 0),
  );
}

function initialHead(width: number, random: StepRandom): [string, Values][] {
  const data = random.normals(CLASSES * width).map((value) => value / Math.sqrt(3 * width));
  return [
    ["head.weight", { shape: [CLASSES, width], data }],
    ["head.bias", { shape: [CLASSES], data: new Float32Array(CLASSES) }],
  ];
}

/**
 * What the scores of the styles read of states `[n, width]`, as they were trained, but linear: the
 * gradient of a unit feature is at right angles to it, and features differ little from their mean.
 */
function styleRows(
  { shape, data }: Values,
  states: readonly Vector[],
  places: readonly Vector[],
): Vector[] {
  const [width, features] = shape as [number, number];
  const rowOf = (i: number) => data.subarray(i * features, (i + 1) * features);
  const projected = (state: Vector) =>
    state.reduce((sum, value, i) => plus(sum, value, rowOf(i)), new Float64Array(features));
  const common = unitVector(meanOf(states.map((state) => unitVector(projected(state)))));
  return waysOf(places).basis.map((way) => {
    const long = new Float64Array(features);
    long.set(way.subarray(0, placeLength(features)));
    const across = plus(long, -dot(long, common), common);
    return Float64Array.from({ length: width }, (_, i) => dot(rowOf(i), across));
  });
}

/** Rows whose products with these states have variances that sum to 1. */
function ofUnitSpread(rows: readonly Vector[], states: readonly Vector[]): Vector[] {
  const scores = states.map((state) => Float64Array.from(rows, (row) => dot(row, state)));
  const mean = meanOf(scores);
  const squares = scores.map((score) => plus(score, -1, mean)).map((rest) => dot(rest, rest));
  const spread = Math.sqrt(squares.reduce((sum, value) => sum + value) / squares.length);
  return rows.map((row) => row.map((value) => value / spread));
}

/** A norm's weight and bias that give such rows the mean 0 and the deviation 1. */
function whitening(name: string, rows: readonly Vector[], least: number): [string, Values][] {
  const mean = meanOf(rows);
  const squares = meanOf(rows.map((row) => row.map((value, i) => (value - mean[i]!) ** 2)));
  const weight = Float32Array.from(squares, (value) => 1 / Math.max(least, Math.sqrt(value)));
  const shape = [weight.length];
  return [
    [`${name}.weight`, { shape, data: weight }],
    [`${name}.bias`, { shape, data: weight.map((value, i) => -mean[i]! * value) }],
  ];
}

export function openAttributes(
  a: TransformerClip,
  state: TrainState,
  { seed, photos, styled, since, share }: {
    seed: number;
    /** Pictures a step. */
    photos: number;
    styled: number;
    since: number;
    /** Of the rates, at a step. */
    share(step: number): number;
  },
): OpenStage {
  const { width, imageSize: side } = a.image;
  const fixed = fixedLeaves(withoutLastBlock(a), "image", ofKind(state, "mean"));
  const [blind, rows] = [BLIND, STYLE_ROWS].map((name) => {
    const { data, shape } = state.tensors.get(name)!;
    return constant(data, shape);
  });
  const block = lastBlock(a);
  const own = Object.fromEntries(
    Object.entries(clipLeaves(a, "image")).filter(([name]) => name.startsWith(`${block}.`)),
  );
  const leaves = { ...fixed, ...usedBlock(own, blind!) };
  const head = {
    "head.weight": weightLeaf("head.weight", [CLASSES, width]),
    "head.bias": weightLeaf("head.bias", [CLASSES]),
  };
  const count = photos + styled;
  const { layers } = towerStages(a, leaves, input("pictures", [count, 3, side, side]));
  const [before, after] = layers.slice(-2);
  const [stateBefore, stateAfter] = [before, after].map((x) => classState(a, leaves, x!));
  const told = add(
    matmul({ a: stateAfter!, b: head["head.weight"] }, { transposeB: true }),
    head["head.bias"],
  );
  const squares = (x: Tensor) => sum(square(x), [1]);
  const token = classToken(before!);
  const moved = mean(div(squares(sub(classToken(after!), token)), squares(token)));
  const change = sub(stateAfter!, stateBefore!);
  const scores = mean(squares(matmul({ a: change, b: rows! }, { transposeB: true })));
  const entries = Object.entries(own);
  const group = (rule: "adam" | "muon", leaves: Record<string, Tensor>) => ({
    leaves,
    rule,
    rate: RATES[rule],
    decay: DECAYS[rule],
    since,
  });
  return {
    problem: {
      loss: [
        classLoss(told, input("classes", [count, CLASSES])),
        mul(moved, PENALTY),
        mul(scores, SCORES_PENALTY),
      ].reduce(add),
      groups: [
        group("muon", Object.fromEntries(entries.filter((entry) => isMatrix(...entry)))),
        group("adam", {
          ...Object.fromEntries(entries.filter((entry) => !isMatrix(...entry))),
          ...head,
        }),
      ],
      adam: ADAM,
      meansSince: since,
    },
    pictures: count,
    inputs(step) {
      const random = new StepRandom(seed, step);
      const latents = rowsOf(random.normals(count * LATENT_SIZE), LATENT_SIZE);
      const pictures = latents.map((z, i) => {
        const style = i < photos ? "photo" : OTHERS[random.whole(OTHERS.length)]!;
        return drawPlanes(drawLayers(z), style, side);
      });
      return { pictures: joined(pictures), classes: wantedClasses(latents) };
    },
    rate: share,
  };
}

/** The block's parameters as the tower uses them: its outputs scaled, and blind for styles. */
function usedBlock(
  block: Readonly<Record<string, Tensor>>,
  blind: Tensor,
): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(block).map(([name, leaf]) => {
      if (!isOutput(name)) return [name, leaf];
      const matrix = leaf.rank === 2 ? leaf : reshape(leaf, [leaf.shape[0]!, 1]);
      const kept = sub(matrix, matmul({ a: blind, b: matrix }, {}));
      return [name, reshape(mul(kept, SCALE), leaf.shape)];
    }),
  );
}

/** The state with the last block as the tower uses it. */
export function finishAttributes(a: TransformerClip, state: TrainState): TrainState {
  const tensors = new Map(state.tensors);
  const blind = tensors.get(BLIND)!.data;
  for (const [name, { shape, data }] of ofKind(state, "mean")) {
    if (!name.startsWith(`${lastBlock(a)}.`) || !isOutput(name)) continue;
    const [rows, columns] = [shape[0]!, shape[1] ?? 1];
    const used = data.map((value, i) => {
      const column = i % columns;
      const at = Math.floor(i / columns) * rows;
      let seen = 0;
      for (let k = 0; k < rows; k++) seen += blind[at + k]! * data[k * columns + column]!;
      return SCALE * (value - seen);
    });
    tensors.set(keptName("mean", name), { shape, data: used });
  }
  return { step: state.step, tensors };
}

/**
 * `[n, CLASSES]`: the class of each attribute, at one over the number of scenes that have one; zeros
 * where a scene is in none.
 */
function wantedClasses(latents: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const out = new Float32Array(latents.length * CLASSES);
  let first = 0;
  ATTRIBUTES.forEach((name, j) => {
    const classes = latents.map((z) => classOf(name, sceneFromLatent(z)[name]));
    const known = classes.filter((index) => index >= 0).length;
    classes.forEach((index, i) => {
      if (index >= 0) out[i * CLASSES + first + index] = 1 / known;
    });
    first += CLASS_COUNTS[j]!;
  });
  return out;
}

/** The cross entropy of the attributes, their mean. */
function classLoss(logits: Tensor, wanted: Tensor): Tensor {
  const n = logits.shape[0]!;
  let first = 0;
  const losses = CLASS_COUNTS.map((count) => {
    const part = (x: Tensor) => slice(x, [0, first], [n, count]);
    const loss = crossEntropy(part(logits), part(wanted));
    first += count;
    return loss;
  });
  return mul(losses.reduce(add), 1 / CLASS_COUNTS.length);
}
