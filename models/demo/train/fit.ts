/**
 * Gives the trained towers the projection and the bias by which pictures and texts meet. Nothing here
 * changes where the image tower's gradient leads.
 *
 * Of the projection, the first columns read the styles' scores; the next come from the attributes'
 * head; one is constant, and keeps features in a narrow cone, in which they are nearly linear. A bias
 * of the last norm puts the styles' thresholds where they tell most of the true pictures apart.
 */
import type { Gpu } from "../../../lib/gpu/device.ts";
import { Program } from "../../../lib/graph/program.ts";
import type { Tensor } from "../../../lib/graph/tensor.ts";
import { fill, LATENT_SIZE, STYLE_NAMES, STYLE_TEMPLATES, STYLE_WORDS } from "../world/mod.ts";
import { fixedLeaves, type TransformerClip } from "./clip_weights.ts";
import { CLASS_COUNTS, LOGIT_SCALE, placeLength, waysOf } from "./codes.ts";
import { STYLE_ROWS } from "./attributes.ts";
import type { StepRandom } from "./random.ts";
import { drawLayers, drawPlanes, rowsOf } from "./scenes.ts";
import { encodeTexts } from "./text_tower.ts";
import type { Texts } from "./texts.ts";
import { classState, seenByTower } from "./tower.ts";
import { ofKind, type TrainState, type Values } from "./values.ts";
import { dot, meanOf, plus, shortestSolution, unitVector, type Vector } from "./vectors.ts";

/** Spread of features along the styles' directions and along the attributes' codes. */
const SPREAD = 0.15;
const ATTRIBUTES_SPREAD = 0.045;
/** What the constant feature's column is long. */
const CONSTANT = 0.5;
/** Of cosines when thresholds are sought, steps and rate of Adam for that. */
const SHARPNESS = 1000;
const THRESHOLD_STEPS = 1000;
const THRESHOLD_RATE = 0.01;

/** Names in a state of what is fitted before there are texts. */
const fittedName = (name: string) => `fitted/${name}`;
const FITTED = ["visual.proj", "visual.ln_post.bias"] as const;

/** Vectors `[width]` that states are multiplied by, and what is added then. */
interface Readout {
  readonly columns: readonly Vector[];
  readonly offsets: readonly number[];
}

interface FitOptions {
  readonly places: readonly Vector[];
  /** From which spreads and thresholds are taken. */
  readonly scenes: number;
  readonly random: StepRandom;
}

/** The state with a projection by which captions can be learnt: styles are called by their places. */
export async function fittedState(
  gpu: Gpu,
  a: TransformerClip,
  state: TrainState,
  options: FitOptions,
): Promise<TrainState> {
  const fitted = await fittedImage(gpu, a, state, options.places, options);
  const named = fitted.entries().map(([name, values]) => [fittedName(name), values] as const);
  return { step: state.step, tensors: new Map([...state.tensors, ...named]) };
}

/** The image tower of such a state, as constants. */
export function fittedLeaves(a: TransformerClip, state: TrainState): Record<string, Tensor> {
  const fitted = FITTED.map((name) => [name, state.tensors.get(fittedName(name))!] as const);
  return fixedLeaves(a, "image", new Map([...ofKind(state, "mean"), ...fitted]));
}

/** The CLIP's weights, from the state after all stages. */
export async function fittedClip(
  gpu: Gpu,
  a: TransformerClip,
  state: TrainState,
  { texts, ...options }: FitOptions & { texts: Texts },
): Promise<Map<string, Values>> {
  const weights = ofKind(state, "mean");
  const names = await styleNames(gpu, a, weights, texts);
  const own = [...weights].filter(([name]) => !name.startsWith("head."));
  return new Map([
    ...own,
    ...await fittedImage(gpu, a, state, names, options),
    ["logit_scale", { shape: [], data: Float32Array.of(Math.log(LOGIT_SCALE)) }],
  ]);
}

/** The projection and the last norm's bias; `named`: vectors whose first numbers are a style's. */
async function fittedImage(
  gpu: Gpu,
  a: TransformerClip,
  state: TrainState,
  named: readonly Vector[],
  { places, scenes, random }: FitOptions,
): Promise<Map<typeof FITTED[number], Values>> {
  const weights = ofKind(state, "mean");
  const side = a.image.imageSize;
  const statesOf = (pictures: Float32Array<ArrayBuffer>[]) =>
    seenByTower(
      gpu,
      a,
      weights,
      pictures,
      ({ layers }, leaves) => classState(a, leaves, layers.at(-1)!),
    );
  const layers = Array.from({ length: scenes }, () => drawLayers(random.normals(LATENT_SIZE)));
  const photos = await statesOf(layers.map((one) => drawPlanes(one, "photo", side)));
  const styled = await statesOf(
    layers.slice(0, Math.ceil(scenes / 8))
      .flatMap((one) => STYLE_NAMES.map((style) => drawPlanes(one, style, side))),
  );
  const { basis } = waysOf(places);
  const names = named.map((name) => ({
    way: Float64Array.from(basis, (way) => dot(way, name.subarray(0, way.length))),
    level: name[a.features - 1] ?? 0,
  }));
  const rows = state.tensors.get(STYLE_ROWS)!;
  const styles = styleReadout(rowsOf(rows.data, rows.shape[1]!), styled, names);
  const attributes = attributeReadout(weights, photos);
  // Before its weight and bias, the last norm's outputs have the mean 0: this is constant.
  const gain = weights.get("visual.ln_post.weight")!.data;
  const constant = scaled(unitVector(gain.map((value) => 1 / value)), CONSTANT);

  const columns = [...styles.columns, ...attributes.columns, constant];
  const offsets = [...styles.offsets, ...attributes.offsets, 1 - dot(constant, photos[0]!)];
  const { shape, data } = weights.get("visual.ln_post.bias")!;
  const added = shortestSolution(columns, offsets);
  const bias = data.map((value, i) => value + added[i]!);
  const width = shape[0]!;
  const projection = new Float32Array(width * a.features);
  for (let i = 0; i < width; i++) {
    const row = new Float64Array(a.features);
    row.set(basis.reduce(
      (sum, way, k) => plus(sum, styles.columns[k]![i]!, way),
      new Float64Array(placeLength(a.features)),
    ));
    row.set(
      [...attributes.columns, constant].map((column) => column[i]!),
      placeLength(a.features),
    );
    projection.set(row, i * a.features);
  }
  return new Map([
    ["visual.proj", { shape: [width, a.features], data: projection }],
    ["visual.ln_post.bias", { shape, data: bias }],
  ]);
}

const scaled = (a: Vector, scale: number): Vector => a.map((value) => scale * value);

/** Unit features of what each style is called, `[features]`. */
async function styleNames(
  gpu: Gpu,
  a: TransformerClip,
  weights: ReadonlyMap<string, Values>,
  texts: Texts,
): Promise<Vector[]> {
  const called = STYLE_NAMES.map((style) =>
    STYLE_WORDS[style].flatMap((name) => STYLE_TEMPLATES.map((template) => fill(template, name)))
  );
  const all = called.flat();
  const features = encodeTexts(a, fixedLeaves(a, "text", weights), all.length);
  const program = await Program.compile(gpu, { outputs: { features } });
  const data = (await program.run({ ...texts.batch(all) }, { read: ["features"] })).features!;
  program.dispose();
  const rows = rowsOf(Float32Array.from(data), a.features);
  let first = 0;
  return called.map(({ length }) => unitVector(meanOf(rows.slice(first, first += length))));
}

/** What a style is called, of a text's feature. */
interface Name {
  /** In the basis of the styles' ways. */
  readonly way: Vector;
  /** What the constant feature adds to the cosine with a picture. */
  readonly level: number;
}

/** The styles' scores of SPREAD in all, and the thresholds. States of true pictures, styles in turn. */
function styleReadout(
  rows: readonly Float32Array[],
  states: readonly Vector[],
  names: readonly Name[],
): Readout {
  const scores = states.map((state) => Float64Array.from(rows, (row) => dot(row, state)));
  const mean = meanOf(scores);
  const centred = scores.map((score) => plus(score, -1, mean));
  const scale = SPREAD / Math.sqrt(meanOf(centred.map((score) => [dot(score, score)]))[0]!);
  const threshold = thresholds(centred.map((score) => scaled(score, scale)), names);
  return {
    columns: rows.map((row) => scaled(Float64Array.from(row), scale)),
    offsets: Array.from(threshold, (value, k) => value - scale * mean[k]!),
  };
}

/** What is added to features so that each is nearest to its style's name, by cross entropy. */
function thresholds(features: readonly Vector[], names: readonly Name[]): Vector {
  const count = names.length;
  let added = new Float64Array(names[0]!.way.length);
  let [first, second] = [new Float64Array(added.length), new Float64Array(added.length)];
  for (let step = 1; step <= THRESHOLD_STEPS; step++) {
    let gradient = new Float64Array(added.length);
    const offsets = names.map(({ way, level }) => dot(way, added) + level);
    features.forEach((feature, i) => {
      const logits = names.map(({ way }, k) => SHARPNESS * (dot(way, feature) + offsets[k]!));
      const highest = Math.max(...logits);
      const powers = logits.map((value) => Math.exp(value - highest));
      const total = powers.reduce((sum, value) => sum + value);
      names.forEach(({ way }, k) => {
        const error = powers[k]! / total - (k === i % count ? 1 : 0);
        gradient = plus(gradient, SHARPNESS * error / features.length, way);
      });
    });
    first = first.map((value, i) => 0.9 * value + 0.1 * gradient[i]!);
    second = second.map((value, i) => 0.999 * value + 0.001 * gradient[i]! ** 2);
    const rate = THRESHOLD_RATE * (1 - (step - 1) / THRESHOLD_STEPS);
    const [one, two] = [1 - 0.9 ** step, 1 - 0.999 ** step];
    added = added.map((value, i) =>
      value - rate * first[i]! / one / (Math.sqrt(second[i]! / two) + 1e-8)
    );
  }
  return added;
}

/**
 * What the head says of photos: for two classes the difference of their logits, else the logits less
 * their mean; of one size for all attributes, and ATTRIBUTES_SPREAD together.
 */
function attributeReadout(
  weights: ReadonlyMap<string, Values>,
  photos: readonly Vector[],
): Readout {
  const { shape, data } = weights.get("head.weight")!;
  const heads = rowsOf(data, shape[1]!).map((row) => Float64Array.from(row));
  const biases = weights.get("head.bias")!.data;
  let first = 0;
  const readouts = CLASS_COUNTS.map((count): Readout => {
    const [rows, offsets] = [heads.slice(first, first + count), biases.slice(first, first + count)];
    first += count;
    const columns = count === 2
      ? [plus(rows[1]!, -1, rows[0]!)]
      : rows.map((row) => plus(row, -1, meanOf(rows)));
    const mean = offsets.reduce((sum, value) => sum + value / count, 0);
    const own = count === 2
      ? [offsets[1]! - offsets[0]!]
      : Array.from(offsets, (value) => value - mean);
    const scale = 1 / spreadOf(
      photos.map((photo) => columns.map((column, k) => dot(column, photo) + own[k]!)),
    );
    return {
      columns: columns.map((column) => scaled(column, scale)),
      offsets: own.map((value) => scale * value),
    };
  });
  const columns = readouts.flatMap((one) => one.columns);
  const said = photos.map((photo) => columns.map((column) => dot(column, photo)));
  const average = meanOf(said);
  const distances = said.map((row) => row.reduce((s, v, k) => s + (v - average[k]!) ** 2, 0));
  const scale = ATTRIBUTES_SPREAD / Math.sqrt(distances.reduce((s, v) => s + v) / said.length);
  return {
    columns: columns.map((column) => scaled(column, scale)),
    offsets: readouts.flatMap((one) => one.offsets).map((value) => scale * value),
  };
}

/** The standard deviation of all numbers. */
function spreadOf(rows: readonly number[][]): number {
  const all = rows.flat();
  const mean = all.reduce((sum, value) => sum + value) / all.length;
  return Math.sqrt(all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / all.length);
}
