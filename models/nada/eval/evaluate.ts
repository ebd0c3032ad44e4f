/** Figures of an adaptation: has it gone where the texts point, and what has it lost on the way? */
import type { Gpu } from "../../../lib/gpu/device.ts";
import { imagesFromTensor, type RgbImage } from "../../../lib/image/mod.ts";
import type { ResizeVariant } from "../../clip/preprocess.ts";
import type { Lpips } from "../../lpips/mod.ts";
import { cosineDistances, diversity } from "./diversity.ts";
import type { Observer, TextObserver } from "./observer.ts";
import { type GeneratorPair, look, type LookOptions, PairSampler, type Sides } from "./pairs.ts";
import { agreements, contentKept, least, mean, similarities } from "./similarity.ts";

export interface MeanAndWorst {
  readonly mean: number;
  readonly worst: number;
}

/** Before and after, and after divided by before. */
export interface Change extends Sides<number> {
  readonly ratio: number;
}

/** What both forms have, as one observer sees it. */
export interface ShortFigures {
  /** Name of the observer. */
  readonly clip: string;
  /** Cosine of image and text direction. */
  readonly directionAgreement: MeanAndWorst;
  /** Cosine of features before and after. */
  readonly contentKept: MeanAndWorst;
}

export interface ClipFigures extends ShortFigures {
  /** Mean cosine with the target text. */
  readonly targetSimilarity: Sides<number>;
  /** Mean distance, 1 - cosine, within clusters. */
  readonly diversity: Change;
}

/** A sample by its place in the order of direction agreement, the mean over all observers. */
export interface Example {
  readonly rank: "best" | "median" | "worst";
  readonly seed: number;
  readonly directionAgreement: number;
  readonly images: Sides<RgbImage>;
}

/** What LPIPS says, of images of at most `LPIPS_SIDE` pixels a side. */
export interface LpipsFigures {
  readonly backbone: Lpips["backbone"];
  /** Mean distance within clusters. */
  readonly diversity: Change;
  /** Distance of before and after: mean, and the largest. */
  readonly drift: MeanAndWorst;
}

export interface Evaluation {
  readonly clips: readonly ClipFigures[];
  /** null where it was not asked for. */
  readonly lpips: LpipsFigures | null;
  /** Mean variance of the Laplacian. */
  readonly sharpness: Change;
  readonly examples: readonly Example[];
}

export interface EvaluateOptions extends Omit<LookOptions, "keepSide"> {
  readonly truncation: number;
  readonly lpips: Lpips | null;
  /** Told which share of the comparisons by LPIPS is done. */
  readonly onCompared?: (share: number) => void;
}

/** As is usual for figures of this kind; larger images are reduced first. */
export const LPIPS_SIDE = 256;

/** Fewer would leave clusters without two members to compare. */
export const MIN_SAMPLES = 20;
/** Each pair has a distance. */
export const MAX_SAMPLES = 4096;

/** All figures, over `MIN_SAMPLES` to `MAX_SAMPLES` seeds. */
export async function evaluate(
  gpu: Gpu,
  generators: GeneratorPair,
  observers: readonly TextObserver[],
  options: EvaluateOptions,
): Promise<Evaluation> {
  const { seeds, truncation } = options;
  using sampler = await PairSampler.create(gpu, generators, { truncation, count: seeds.length });
  const { features, sharpness, images } = await look(sampler, observers, {
    ...options,
    ...options.lpips && { keepSide: LPIPS_SIDE },
  });
  const clips = observers.map((observer, k) => {
    const { before, after } = features[k]!;
    return {
      ...shortFigures(observer, features[k]!),
      targetSimilarity: {
        before: mean(similarities(before, observer.target)),
        after: mean(similarities(after, observer.target)),
      },
      diversity: change(
        diversity(cosineDistances(before)),
        diversity(cosineDistances(after)),
      ),
    };
  });
  const each = observers.map(({ direction }, k) =>
    agreements(features[k]!.before, features[k]!.after, direction)
  );
  const scores = seeds.map((_, i) => mean(each.map((values) => values[i]!)));
  return {
    clips,
    lpips: options.lpips ? await lpipsFigures(options.lpips, images, options) : null,
    sharpness: change(mean(sharpness.before), mean(sharpness.after)),
    examples: await drawExamples(sampler, seeds, scores),
  };
}

async function lpipsFigures(
  lpips: Lpips,
  { before, after }: Sides<RgbImage[]>,
  { onCompared }: EvaluateOptions,
): Promise<LpipsFigures> {
  const within = async (images: RgbImage[], done: number) =>
    diversity(await lpips.distances(images, (share) => onCompared?.(done + share / 2)));
  const drift = await lpips.between(before, after);
  return {
    backbone: lpips.backbone,
    diversity: change(await within(before, 0), await within(after, 0.5)),
    drift: { mean: mean(drift), worst: Math.max(...drift) },
  };
}

/** Seeds and truncation of the short form. */
const SHORT_SEEDS = Array.from({ length: 16 }, (_, seed) => seed);
const SHORT_TRUNCATION = 0.7;

/**
 * A first judgement at the end of a run, over seeds 0 to 15. It costs 16 images of each generator
 * and 32 looks of each observer, the forward half of 8 training steps of batch 2, and compiling the
 * programs for it.
 */
export async function evaluateShort(
  gpu: Gpu,
  generators: GeneratorPair,
  observers: readonly Observer[],
  resize: ResizeVariant,
): Promise<ShortFigures[]> {
  const count = SHORT_SEEDS.length;
  using sampler = await PairSampler.create(gpu, generators, {
    truncation: SHORT_TRUNCATION,
    count,
  });
  const { features } = await look(sampler, observers, { seeds: SHORT_SEEDS, resize });
  return observers.map((observer, k) => shortFigures(observer, features[k]!));
}

function shortFigures(
  { name, direction }: Observer,
  { before, after }: Sides<Float32Array[]>,
): ShortFigures {
  const meanAndWorst = (values: readonly number[]) => ({
    mean: mean(values),
    worst: least(values),
  });
  return {
    clip: name,
    directionAgreement: meanAndWorst(agreements(before, after, direction)),
    contentKept: meanAndWorst(contentKept(before, after)),
  };
}

function change(before: number, after: number): Change {
  return { before, after, ratio: after / before };
}

/** Draws the samples with the highest, the middle and the lowest score again. */
async function drawExamples(
  sampler: PairSampler,
  seeds: readonly number[],
  scores: readonly number[],
): Promise<Example[]> {
  const order = scores.map((_, i) => i).sort((i, j) => scores[j]! - scores[i]!);
  const places = [
    ["best", order[0]!],
    ["median", order[Math.floor(order.length / 2)]!],
    ["worst", order.at(-1)!],
  ] as const;
  const { data, shape } = await sampler.sample(places.map(([, i]) => seeds[i]!));
  const images = imagesFromTensor(data, shape);
  return places.map(([rank, i], k) => ({
    rank,
    seed: seeds[i]!,
    directionAgreement: scores[i]!,
    images: { before: images[k]!, after: images[places.length + k]! },
  }));
}
