/** Sizes at which training takes a second. */
import type { ClipSize } from "../../../../models/demo/train/clip_weights.ts";
import type { GeneratorSize } from "../../../../models/demo/train/generator.ts";

export const TINY_GENERATOR: GeneratorSize = {
  zSize: 64,
  wSize: 16,
  mappingDepth: 2,
  channels: [8, 8, 8],
  scenes: 64,
};

export const TINY_CLIP: ClipSize = {
  side: 16,
  patch: 4,
  imageWidth: 64,
  imageBlocks: 1,
  textWidth: 64,
  textBlocks: 1,
  context: 32,
  features: 16,
};
