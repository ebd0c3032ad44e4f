/** How the demo generator is adapted unless asked otherwise. */
import { clipPath, generatorPath } from "../catalog.ts";
import { ADAPT_DEFAULTS, type AdaptOptions } from "../nada/options.ts";
import { STYLE_WORDS, type StyleName } from "./world/mod.ts";

export const DEMO_DEFAULTS = {
  ...ADAPT_DEFAULTS,
  // The generator has drawn these styles while it was trained: a shift of its channels brings them
  // back, and leaves little room for noise that pleases CLIP.
  trainParams: "shift",
  steps: 60,
  batch: 4,
  // Far above the usual 0.002, since shifts are of the order of 0.5, and falling, since they are few.
  lr: 0.03,
  lrSchedule: "cosine",
  // In the small CLIP's space the styles lie too close together for the angle alone to lead.
  directionLoss: "projection",
  // The generator's noise images are trained: they hold the textures of its canvases.
  noise: "const",
} as const satisfies Partial<AdaptOptions>;

/** The target of a run that names none: the one that looks best. */
export const DEMO_TARGET: StyleName = "sketch";

/** The run that takes the demo generator from its photos to what a text says. */
export function demoOptions(target: string, clip: string = clipPath("demo")): AdaptOptions {
  return {
    ...DEMO_DEFAULTS,
    generator: generatorPath("demo"),
    clips: [{ path: clip, weight: 1 }],
    source: STYLE_WORDS.photo[0]!,
    targets: [{ text: target, weight: 1 }],
  };
}
