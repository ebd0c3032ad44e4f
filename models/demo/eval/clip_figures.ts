/**
 * What a CLIP knows of the world without having been trained for the question, and where its
 * gradient leads: pictures and words that it was not trained on.
 */
import type { Gpu } from "../../../lib/gpu/device.ts";
import { grad } from "../../../lib/graph/grad.ts";
import { mul, sum, unit } from "../../../lib/graph/ops/mod.ts";
import { Program } from "../../../lib/graph/program.ts";
import { input } from "../../../lib/graph/tensor.ts";
import type { Clip } from "../../clip/mod.ts";
import { fillTemplates } from "../../clip/templates.ts";
import { textDirection } from "../../nada/text_direction.ts";
import { dot, meanDirection } from "../../nada/vectors.ts";
import {
  type Attribute,
  ATTRIBUTE_WORDS,
  ATTRIBUTES,
  classOf,
  fill,
  type Picture,
  sceneFromLatent,
  STYLE_NAMES,
  STYLE_WORDS,
  type StyleName,
  UNSEEN_STYLE_TEMPLATES,
} from "../world/mod.ts";
import { renderings } from "./classifier.ts";
import { asImages } from "./images.ts";
import { latents, rowsOf, SEEDS } from "./latents.ts";

const SCENES = 128;
const BATCH = 16;

/** How far towards the true picture the second point of the alignment lies. */
const BLEND = 0.3;

export interface Alignment {
  /** At the photo, and part of the way to the true picture. */
  readonly photo: number;
  readonly blend: number;
}

export interface AttributeRates {
  readonly photos: number;
  /** Of all other styles together. What a style leaves out of its pictures counts as well. */
  readonly styled: number;
}

export interface ClipFigures {
  /** Held-out scenes, each in every style. */
  readonly scenes: number;
  /** Share of pictures whose style is named rightly, asked in sentences it was not trained on. */
  readonly style: number;
  /** For each attribute, share of pictures whose class is named rightly. */
  readonly attributes: Readonly<Record<Attribute, AttributeRates>>;
  /**
   * For each style but the photo: mean cosine between the gradient of the projection on the text
   * direction with respect to the picture and the way from it to the true picture.
   */
  readonly alignment: Readonly<Partial<Record<StyleName, Alignment>>>;
}

export async function clipFigures(gpu: Gpu, clip: Clip, count = SCENES): Promise<ClipFigures> {
  const z = rowsOf(latents(SEEDS.heldOut, count));
  const shown = renderings(z);
  const texts = async (sentences: string[]) => meanDirection(await clip.encodeTexts(sentences));
  const features = async (pictures: readonly Picture[]) =>
    await clip.encodeImages({ shape: [pictures.length, 3, 64, 64], data: asImages(pictures) });

  const named: Float64Array[] = [];
  for (const style of STYLE_NAMES) {
    const names = STYLE_WORDS[style];
    named.push(
      await texts(UNSEEN_STYLE_TEMPLATES.flatMap((text) => names.map((name) => fill(text, name)))),
    );
  }
  const found = new Map<StyleName, Float32Array[]>();
  for (const style of STYLE_NAMES) found.set(style, await features(shown[style]));
  const right = STYLE_NAMES.reduce(
    (sum, style, k) => sum + found.get(style)!.filter((row) => nearest(row, named) === k).length,
    0,
  );

  const scenes = z.map((row) => sceneFromLatent(row));
  const attributes: [Attribute, AttributeRates][] = [];
  for (const name of ATTRIBUTES) {
    const questions = ATTRIBUTE_WORDS[name].map(({ phrases }) =>
      `a picture of a person ${phrases[0]}`
    );
    const answers = (await clip.encodeTexts(questions)).map((row) => meanDirection([row]));
    const classes = scenes.map((scene) => classOf(name, scene[name]));
    const known = classes.keys().filter((i) => classes[i]! >= 0).toArray();
    const rateOf = (styles: readonly StyleName[]) => {
      const hits = styles.flatMap((style) =>
        known.filter((i) => nearest(found.get(style)![i]!, answers) === classes[i])
      );
      return hits.length / (known.length * styles.length);
    };
    const others = STYLE_NAMES.filter((style) => style !== "photo");
    attributes.push([name, { photos: rateOf(["photo"]), styled: rateOf(others) }]);
  }
  return {
    scenes: count,
    style: right / (count * STYLE_NAMES.length),
    attributes: Object.fromEntries(attributes) as Record<Attribute, AttributeRates>,
    alignment: await alignments(gpu, clip, shown),
  };
}

async function alignments(
  gpu: Gpu,
  clip: Clip,
  shown: Readonly<Record<StyleName, readonly Picture[]>>,
): Promise<ClipFigures["alignment"]> {
  const x = input("x", [BATCH, 3, 64, 64]);
  const wanted = input("wanted", [1, clip.architecture.features]);
  const [gradient] = grad(sum(mul(unit(clip.imageFeatures(x)), wanted)), [x]);
  const program = await Program.compile(gpu, {
    outputs: { gradient: gradient! },
    state: await clip.imageState(),
  });
  try {
    const sentences = (style: StyleName) =>
      clip.encodeTexts(fillTemplates(STYLE_WORDS[style][0]!, clip.templates));
    const source = await sentences("photo");
    const photos = asImages(shown.photo);
    const found: [StyleName, Alignment][] = [];
    for (const style of STYLE_NAMES.filter((name) => name !== "photo")) {
      const direction = textDirection(source, await sentences(style));
      const truths = asImages(shown[style]);
      const at = async (share: number) => {
        const cosines: number[] = [];
        const step = BATCH * 3 * 64 * 64;
        for (let from = 0; from + step <= photos.length; from += step) {
          const photo = photos.slice(from, from + step);
          const truth = truths.subarray(from, from + step);
          const here = photo.map((value, i) => value + share * (truth[i]! - value));
          const run = { x: here, wanted: direction };
          const { gradient } = await program.run(run, { read: ["gradient"] });
          const change = truth.map((value, i) => value - here[i]!);
          cosines.push(...pictureCosines(gradient!, change));
        }
        return cosines.reduce((total, value) => total + value, 0) / cosines.length;
      };
      found.push([style, { photo: await at(0), blend: await at(BLEND) }]);
    }
    return Object.fromEntries(found);
  } finally {
    program.dispose();
  }
}

function pictureCosines(a: Float32Array, b: Float32Array): number[] {
  const length = 3 * 64 * 64;
  return Array.from({ length: a.length / length }, (_, n) => {
    const [u, v] = [a, b].map((values) => values.subarray(n * length, (n + 1) * length));
    return dot(u!, v!) / Math.sqrt(dot(u!, u!) * dot(v!, v!));
  });
}

/** Index of the direction with the largest cosine. */
function nearest(row: ArrayLike<number>, directions: readonly ArrayLike<number>[]): number {
  const cosines = directions.map((direction) =>
    dot(row, direction) / Math.hypot(...Array.from(direction))
  );
  return cosines.indexOf(Math.max(...cosines));
}
