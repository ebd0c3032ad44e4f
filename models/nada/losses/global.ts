/** The global loss: how far images are from a text, wherever they come from. */
import { matmul, mean, mul, sub, unit } from "../../../lib/graph/ops/mod.ts";
import { constant, type Tensor } from "../../../lib/graph/tensor.ts";
import type { Clip } from "../../clip/clip.ts";
import { unitVector } from "../vectors.ts";

/** A text as one CLIP model sees it. */
export interface GlobalTarget {
  /** Unit vector `[d]`. */
  readonly features: Float32Array<ArrayBuffer>;
  /** What the model multiplies cosines by. */
  readonly logitScale: number;
}

export async function globalTarget(clip: Clip, text: string): Promise<GlobalTarget> {
  const [features] = await clip.encodeTexts([text]);
  return { features: unitVector(features!), logitScale: await clip.logitScale() };
}

/**
 * `1 - logit / 100`, mean over the batch: CLIP's logits of images and text are cosines times a scale
 * that OpenAI's models learned up to its limit of 100. Features `[n, d]` → `[]`.
 */
export function globalLoss(images: Tensor, { features, logitScale }: GlobalTarget): Tensor {
  const cosines = matmul({ a: unit(images), b: constant(features, [features.length, 1]) }, {});
  return mean(sub(1, mul(cosines, logitScale / 100)));
}
