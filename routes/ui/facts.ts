/** What the page is told with its first bytes: what can be asked for, and what holds otherwise. */
import { DEMO_DEFAULTS } from "../../models/demo/settings.ts";
import { STYLE_NAMES, STYLE_WORDS } from "../../models/demo/world/mod.ts";
import { AUGMENTATIONS } from "../../models/nada/augmentation.ts";
import { ADAPT_DEFAULTS, type AdaptOptions } from "../../models/nada/options.ts";
import { PRESETS } from "../../models/nada/presets.ts";
import { PHASE_NAMES, TRAIN_PARAMS } from "../../models/nada/trained_layers.ts";
import type { Defaults, Facts } from "./client/fact_types.ts";

export const FACTS: Facts = {
  demo: defaultsOf({ ...ADAPT_DEFAULTS, ...DEMO_DEFAULTS }),
  others: defaultsOf(ADAPT_DEFAULTS),
  presets: PRESETS,
  phases: PHASE_NAMES,
  trainParams: TRAIN_PARAMS,
  augmentations: AUGMENTATIONS,
  examples: {
    demo: STYLE_NAMES.filter((name) => name !== "photo").map((name) => STYLE_WORDS[name][0]!),
    others: [
      "sketch",
      "oil painting",
      "watercolour",
      "anime",
      "3D render",
      "zombie",
      "marble bust",
    ],
  },
};

function defaultsOf(options: Pick<AdaptOptions, keyof typeof ADAPT_DEFAULTS>): Defaults {
  const { steps, batch, lr, seed, mixing, augmentation, noise, sampleEvery, sampleCount } = options;
  return {
    steps,
    batch,
    lr,
    seed,
    mixing,
    augmentation,
    noise,
    train_params: options.trainParams,
    preview_every: sampleEvery,
    preview_count: sampleCount,
    preview_truncation: options.sampleTruncation,
    lambdas: options.lambdas,
  };
}
