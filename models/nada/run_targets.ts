/** What a run moves towards, as one CLIP model sees it: texts, pictures, or both. */
import type { RgbImage } from "../../lib/image/mod.ts";
import type { Clip, ImageBatch } from "../clip/clip.ts";
import type { ResizeVariant } from "../clip/preprocess.ts";
import { encodePictures, imageDirection } from "./image_direction.ts";
import {
  type GlobalTarget,
  globalTarget,
  type LossTargets,
  type LossWeights,
  textTargets,
} from "./losses/mod.ts";
import { meanDirection, unitVector } from "./vectors.ts";

/** A text to move towards, and its share among several. */
export interface TargetText {
  readonly text: string;
  readonly weight: number;
}

export interface WantedTexts {
  readonly source: string;
  readonly targets: readonly TargetText[];
  /** Null for CLIP's own. */
  readonly templates: readonly string[] | null;
  readonly partTemplates: readonly string[];
}

export interface WantedPictures {
  readonly pictures: readonly RgbImage[];
  /** What the generator draws at the start. */
  readonly generated: ImageBatch;
  /** Share of the texts in the direction, from 0 to 1. */
  readonly textWeight: number;
}

export interface Wanted {
  readonly texts: WantedTexts;
  readonly images: WantedPictures | null;
  readonly resize: ResizeVariant;
}

/** Encodes what the parts of the loss need. Throws a UserError where CLIP sees no difference. */
export async function runTargets(
  clip: Clip,
  { texts, images, resize }: Wanted,
  weights: LossWeights,
): Promise<LossTargets> {
  // Pictures stand for the texts, where there are none.
  const asked = {
    ...weights,
    direction: images?.textWeight === 0 ? 0 : weights.direction,
    global: texts.targets.length === 0 ? 0 : weights.global,
  };
  const templates = texts.templates ?? clip.templates;
  const each: { weight: number; targets: LossTargets }[] = [];
  for (const { text, weight } of texts.targets) {
    const one = { ...texts, templates, target: text };
    each.push({ weight, targets: await textTargets(clip, one, asked) });
  }
  const targets = mixTargets(each);
  if (images && weights.direction !== 0) {
    const { generated, pictures, textWeight } = images;
    const direction = await imageDirection(clip, generated, pictures, resize);
    targets.direction = targets.direction
      ? mixDirections([[textWeight, targets.direction], [1 - textWeight, direction]])
      : direction;
  }
  if (weights.global !== 0 && !targets.global) targets.global = await pictureTarget(clip, images!);
  return targets;
}

/** What the layer choice moves its codes towards: the target alone, without an article. */
export async function selectionTarget(
  clip: Clip,
  { texts, images }: Wanted,
): Promise<GlobalTarget> {
  if (texts.targets.length === 0) return await pictureTarget(clip, images!);
  const each: [number, GlobalTarget][] = [];
  for (const { text, weight } of texts.targets) each.push([weight, await globalTarget(clip, text)]);
  return mixGlobal(each);
}

/** The mean of the pictures' directions in place of a text's. */
async function pictureTarget(clip: Clip, { pictures }: WantedPictures): Promise<GlobalTarget> {
  const features = unitVector(meanDirection(await encodePictures(clip, pictures)));
  return { features, logitScale: await clip.logitScale() };
}

/** The targets of several texts by their shares; all have the same parts. */
function mixTargets(each: readonly { weight: number; targets: LossTargets }[]): LossTargets {
  if (each.length <= 1) return each[0]?.targets ?? {};
  const mixed: LossTargets = {};
  const first = each[0]!.targets;
  const all = <T>(pick: (targets: LossTargets) => T | undefined) =>
    each.map(({ weight, targets }): [number, T] => [weight, pick(targets)!]);
  if (first.direction) mixed.direction = mixDirections(all(({ direction }) => direction));
  if (first.global) mixed.global = mixGlobal(all(({ global }) => global));
  if (first.patch) {
    mixed.patch = first.patch.map((_, i) => mixDirections(all(({ patch }) => patch?.[i])));
  }
  if (first.manifold !== undefined) {
    const total = each.reduce((sum, { weight }) => sum + weight, 0);
    mixed.manifold = all(({ manifold }) => manifold)
      .reduce((sum, [weight, cosine]) => sum + weight * cosine / total, 0);
  }
  return mixed;
}

function mixGlobal(each: readonly [number, GlobalTarget][]): GlobalTarget {
  const [[, { logitScale }]] = each as [[number, GlobalTarget]];
  if (each.length === 1) return each[0]![1];
  return {
    features: mixDirections(each.map(([weight, { features }]) => [weight, features])),
    logitScale,
  };
}

/** The weighted sum of unit vectors, at length 1. */
function mixDirections(each: readonly [number, Float32Array][]): Float32Array<ArrayBuffer> {
  const sum = new Float64Array(each[0]![1].length);
  for (const [weight, vector] of each) vector.forEach((value, k) => sum[k]! += weight * value);
  return unitVector(sum);
}
