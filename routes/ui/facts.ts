/** What the page is told with its first bytes: what can be asked for, and what holds otherwise. */
import { DEMO_DEFAULTS } from "../../models/demo/settings.ts";
import { STYLE_NAMES, STYLE_WORDS } from "../../models/demo/world/mod.ts";
import { FROZEN_ADAM } from "../../models/nada/adam_clock.ts";
import { AUGMENTATIONS } from "../../models/nada/augmentation.ts";
import { LR_SCHEDULES } from "../../models/nada/learning_rate.ts";
import { DIRECTION_DISTANCES } from "../../models/nada/losses/mod.ts";
import { ADAPT_DEFAULTS, type AdaptOptions, STOP_RULES } from "../../models/nada/options.ts";
import { PRESETS } from "../../models/nada/presets.ts";
import { PHASE_NAMES, TRAIN_PARAMS } from "../../models/nada/trained_layers.ts";
import { AdaptationRequest } from "../../service/adaptation_request.ts";
import type { Defaults, Facts } from "./client/fact_types.ts";

export const FACTS: Facts = {
  demo: defaultsOf(DEMO_DEFAULTS),
  others: defaultsOf(ADAPT_DEFAULTS),
  presets: PRESETS.map(({ options: { lrSchedule, ...options }, ...preset }) => ({
    ...preset,
    options: { ...options, lr_schedule: lrSchedule },
  })),
  choices: {
    augmentation: AUGMENTATIONS,
    noise: ["random", "const", "none"],
    lr_schedule: LR_SCHEDULES,
    direction_loss: DIRECTION_DISTANCES,
    frozen_adam: FROZEN_ADAM,
    phase: PHASE_NAMES,
    train_params: TRAIN_PARAMS,
    stop_on: STOP_RULES,
  },
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
  const { steps, batch, lr, seed, mixing, augmentation, noise, lambdas } = options;
  const asked = AdaptationRequest.parse({ auto_layers: { count: 1 } });
  const { iterations, batch: autoBatch, every } = asked.auto_layers!;
  return {
    steps,
    batch,
    lr,
    lr_schedule: options.lrSchedule,
    seed,
    mixing,
    augmentation,
    noise,
    train_params: options.trainParams,
    lambda_direction: lambdas.direction,
    lambda_global: lambdas.global,
    lambda_patch: lambdas.patch,
    lambda_manifold: lambdas.manifold,
    direction_loss: options.directionLoss,
    text_weight: options.textWeight,
    auto_iterations: iterations,
    auto_batch: autoBatch,
    auto_every: every,
    frozen_adam: options.frozenAdam,
    preview_every: options.sampleEvery,
    preview_count: options.sampleCount,
    preview_truncation: options.sampleTruncation,
    priority: asked.priority,
  };
}
