/**
 * Pictures such as adaptations meet, with the true picture that each should become: points of the
 * generator's space of styles, what adaptations draw that run meanwhile, and blends of true pictures.
 */
import {
  add,
  type Band,
  concat,
  mul,
  randomNormal,
  resample,
  sub,
} from "../../../lib/graph/ops/mod.ts";
import { type HostArray, input, type Tensor } from "../../../lib/graph/tensor.ts";
import { resizeAndCrop } from "../../clip/preprocess.ts";
import type { Adaptations } from "./adaptations.ts";
import type { FixedGenerator } from "./generator_weights.ts";
import type { StepRandom } from "./random.ts";
import { drawLayers, drawPlanes, joined, OTHERS, rowsOf } from "./scenes.ts";

/** Pictures of one style, one after another. */
export const GROUP = 4;

/** Groups of a batch, in this order. */
export interface Groups {
  readonly paths: number;
  /** Of adaptations that run. */
  readonly met: number;
  /** Of blends, whose styles differ within the group. */
  readonly blends: number;
}

export interface ShownPictures {
  readonly pictures: Tensor;
  /** Those of `pictures` that adaptations drew. */
  readonly met: Tensor;
}

/** The graph of a batch's pictures `[n, 3, side, side]`, from what `batchInputs` feeds. */
export function shownPictures(
  generator: FixedGenerator,
  adaptations: Adaptations,
  groups: Groups,
): ShownPictures {
  const { zSize, resolution: side } = generator.architecture;
  const [paths, met, blends] = [groups.paths, groups.met, groups.blends].map((n) => GROUP * n) as [
    number,
    number,
    number,
  ];
  const places = generator.shifts.entries().map(([name, { shape }]) =>
    [name, input(`at ${name}`, [paths, shape[1]!])] as const
  );
  const onPaths = generator.draw(input("z", [paths, zSize]), Object.fromEntries(places));
  const drawn = adaptations.draw(input("met z", [met, zSize]), input("met", [met, OTHERS.length]));
  const planes = [blends, 3, side, side];
  const [photos, truths] = [input("photos", planes), input("blended", planes)];
  const of = (name: string) => input(name, [blends, 1, 1, 1]);
  const key = input("key", [2], "u32");
  const noise = add(smooth(key, planes, 8), mul(randomNormal(key, planes, 1), 0.5));
  const blended = [
    photos,
    mul(of("share"), sub(truths, photos)),
    mul(of("disturbance"), noise),
  ].reduce(add);
  return { pictures: concat([onPaths, drawn, blended], 0), met: drawn };
}

/** Random smooth fields of about standard deviation 1. */
function smooth(key: Tensor, shape: number[], cells: number): Tensor {
  const [n, channels, side] = shape as [number, number, number];
  const noise = randomNormal(key, [n, channels, cells, cells], 0);
  const band: Band | null = resizeAndCrop(cells, cells, side, "bicubic");
  return band ? resample(resample(noise, 2, band), 3, band) : noise;
}

export interface Batch {
  readonly inputs: Record<string, HostArray>;
  /** For each picture the index of its style among OTHERS. */
  readonly styles: readonly number[];
}

/** What a step feeds: `truths` `[n, 3, side, side]`, and what the pictures are made of. */
export function batchInputs(
  random: StepRandom,
  generator: FixedGenerator,
  groups: Groups,
  metStyles: readonly number[],
): Batch {
  const { zSize, resolution: side } = generator.architecture;
  const someStyle = () => random.whole(OTHERS.length);
  const pathStyles = Array.from({ length: groups.paths }, someStyle);
  const blendStyles = Array.from({ length: GROUP * groups.blends }, someStyle);
  const styles = [
    ...[...pathStyles, ...metStyles].flatMap((k) => new Array<number>(GROUP).fill(k)),
    ...blendStyles,
  ];
  const z = random.normals(styles.length * zSize);
  const layers = rowsOf(z, zSize).map(drawLayers);
  const truths = layers.map((one, i) => drawPlanes(one, OTHERS[styles[i]!]!, side));
  const first = GROUP * groups.paths;
  const blended = GROUP * (groups.paths + groups.met);
  const photos = layers.slice(blended).map((one) => drawPlanes(one, "photo", side));
  const each = (f: () => number) => Float32Array.from(blendStyles, f);
  return {
    styles,
    inputs: {
      key: random.key,
      z: z.slice(0, first * zSize),
      "met z": z.slice(first * zSize, blended * zSize),
      met: joined(styles.slice(first, blended).map((k) => oneHot(k))),
      ...placesOf(random, generator, pathStyles),
      truths: joined(truths),
      photos: joined(photos),
      blended: joined(truths.slice(blended)),
      share: each(() => random.uniform() < 0.35 ? 0 : 1.1 * random.uniform()),
      disturbance: each(() => 0.2 * random.uniform() ** 2),
    },
  };
}

const oneHot = (k: number) => Float32Array.from(OTHERS, (_, i) => i === k ? 1 : 0);

/**
 * Shifts on the way to styles, one for each group: from the photo to a little beyond, some of them
 * beside it at random, some with a part of another style.
 */
function placesOf(
  random: StepRandom,
  { shifts }: FixedGenerator,
  styles: readonly number[],
): Record<string, HostArray> {
  const rows = new Map([...shifts.keys()].map((name) => [name, [] as Float32Array[]]));
  for (const style of styles) {
    const share = random.uniform() < 0.25 ? 0 : 1.1 * random.uniform();
    const level = [0, 0, 0.1, 0.25, 0.5][random.whole(5)]!;
    const other = random.whole(OTHERS.length);
    const mixed = random.uniform() < 0.3 ? 0.5 * random.uniform() : 0;
    for (const [name, { shape, data }] of shifts) {
      const width = shape[1]!;
      const way = (k: number, i: number) => data[k * width + i]!;
      const row = random.normals(width).map((normal, i) => {
        const all = OTHERS.map((_, k) => way(k, i));
        return share * way(style, i) + mixed * way(other, i) + level * deviation(all) * normal;
      });
      for (let i = 0; i < GROUP; i++) rows.get(name)!.push(row);
    }
  }
  return Object.fromEntries(rows.entries().map(([name, all]) => [`at ${name}`, joined(all)]));
}

function deviation(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}
