/** Sizes at which training takes a second. */
import type { ClipSize } from "../../../../models/demo/train/clip_weights.ts";
import type { GeneratorSize } from "../../../../models/demo/train/generator.ts";
import {
  FixedGenerator,
  initialGenerator,
} from "../../../../models/demo/train/generator_weights.ts";
import { StepRandom } from "../../../../models/demo/train/random.ts";
import { architecture } from "../../../../models/stylegan2/architecture.ts";

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
  imageBlocks: 2,
  textWidth: 64,
  textBlocks: 1,
  context: 32,
  features: 48,
  scenes: 32,
};

/** A generator that has not learned anything, with random ways to styles. */
export function tinyStyles(): FixedGenerator {
  const a = architecture(TINY_GENERATOR);
  const random = new StepRandom(5, -2);
  const weights = initialGenerator(a, random);
  for (const [name, { shape, data }] of weights) {
    if (!name.endsWith(".shift")) continue;
    weights.set(name, { shape, data: random.normals(data.length).map((value) => 0.5 * value) });
  }
  return new FixedGenerator(a, weights);
}
