/** CLIP's image tower, of either kind. */
import type { Tensor } from "../../lib/graph/tensor.ts";
import type { ImageArchitecture } from "./architecture.ts";
import { resnetStages } from "./resnet.ts";
import type { Parameters } from "./transformer.ts";
import { vitStages } from "./vit.ts";

/** What an image tower computes on the way; what nobody reads is never run. */
export interface ImageStages {
  readonly stem: Tensor;
  readonly layers: readonly Tensor[];
  /** `[n, features]`, not of unit length. */
  readonly features: Tensor;
}

/** Features of images `[n, 3, s, s]` as `preprocess` makes them, and what is computed on the way. */
export function imageStages(p: Parameters, arch: ImageArchitecture, pixels: Tensor): ImageStages {
  return arch.kind === "vit" ? vitStages(p, arch, pixels) : resnetStages(p, arch, pixels);
}

/** Elements of the largest tensor that the tower makes of one image. */
export function largestTensor(arch: ImageArchitecture): number {
  // The stem's last convolution, at half the side; the first layer has as many in four times the
  // channels.
  if (arch.kind === "resnet") return arch.width * (arch.imageSize / 2) ** 2;
  const tokens = (arch.imageSize / arch.patchSize) ** 2 + 1;
  return largestInTransformer(arch, tokens);
}

/** The same for a transformer and a sample of `tokens` tokens: perceptrons or attention scores. */
export function largestInTransformer(
  { heads, hidden }: { heads: number; hidden: number },
  tokens: number,
): number {
  return tokens * Math.max(hidden, heads * tokens);
}
