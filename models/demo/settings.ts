/** How the demo generator is adapted unless asked otherwise. */
import { clipPath, generatorPath } from "../catalog.ts";
import { ADAPT_DEFAULTS, type AdaptOptions } from "../nada/options.ts";
import { STYLE_WORDS, type StyleName } from "./world/mod.ts";

export const DEMO_DEFAULTS = {
  ...ADAPT_DEFAULTS,
  // Few: once the style is there, more steps only wash the faces out.
  steps: 35,
  batch: 4,
  // Far above the usual 0.002: the steps are few, and the layers small.
  lr: 0.0075,
  // In the small CLIP's space the styles lie too close together for the angle alone to lead.
  directionLoss: "projection",
  // The generator was trained without: its noise strengths are 0.
  noise: "none",
} as const satisfies Partial<AdaptOptions>;

/** The target of a run that names none: the one that looks best. */
export const DEMO_TARGET: StyleName = "stone";

/** The run that takes the demo generator from its photos to a style, by the style's short name. */
export function demoOptions(style: StyleName, clip: string = clipPath("demo")): AdaptOptions {
  return {
    ...DEMO_DEFAULTS,
    generator: generatorPath("demo"),
    clips: [{ path: clip, weight: 1 }],
    source: STYLE_WORDS.photo[0]!,
    targets: [{ text: STYLE_WORDS[style][0]!, weight: 1 }],
  };
}
