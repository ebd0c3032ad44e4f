/** From what a client asks for to the options of a run. */
import { DEMO_DEFAULTS } from "../models/demo/settings.ts";
import { ADAPT_DEFAULTS, type AdaptOptions } from "../models/nada/adapt.ts";
import { layerPlan } from "../models/nada/inputs.ts";
import { checkOptions } from "../models/nada/options.ts";
import type { AdaptationRequest } from "./adaptation_request.ts";
import { inField, inFields } from "./failure.ts";
import { checkText, classOf, type Models } from "./models.ts";

/** Steps between states that a crash can lose no more than. */
export const CHECKPOINT_EVERY = 10;

/** Files of a request that lie in the adaptation's folder. */
export interface RequestFiles {
  /** The delta of `start_from`. */
  readonly start: string | null;
  /** Folder of the style images. */
  readonly styleImages: string | null;
}

/**
 * Every option of the run. Throws a ServiceError or UserError for models that are not registered,
 * options that cannot go together, and texts that a CLIP model cannot read.
 */
export function runOptions(
  request: AdaptationRequest,
  models: Models,
  { start, styleImages }: RequestFiles,
): AdaptOptions {
  const base = inField("generator", () => models.generator(request.generator));
  const asked = typeof request.clip === "string"
    ? [{ name: request.clip, weight: 1, field: "clip" }]
    : request.clip.map((choice, i) => ({ ...choice, field: `clip.${i}.name` }));
  const clips = asked.map(({ name, weight, field }) => ({
    model: inField(field, () => models.clip(name)),
    weight,
  }));
  const targets = typeof request.target === "string"
    ? [{ text: request.target, weight: 1 }]
    : request.target ?? [];
  const defaults = request.generator === "demo" ? DEMO_DEFAULTS : ADAPT_DEFAULTS;
  const options: AdaptOptions = {
    ...defaults,
    generator: base.path,
    classIndex: inField("class", () => classOf(base, request.class)),
    trainGenerator: start,
    clips: clips.map(({ model, weight }) => ({ path: model.path, weight })),
    source: request.source ?? "",
    targets,
    styleImages,
    textWeight: request.text_weight ?? defaults.textWeight,
    lambdas: { ...defaults.lambdas, ...defined(request.lambdas ?? {}) },
    autoLayers: request.auto_layers ?? null,
    phase: request.phase ?? null,
    trainLayers: request.train_layers ?? null,
    stopOn: request.stop_on ?? null,
    checkpointEvery: CHECKPOINT_EVERY,
    ...defined({
      steps: request.steps,
      batch: request.batch,
      lr: request.lr,
      lrSchedule: request.lr_schedule,
      seed: request.seed,
      noise: request.noise,
      mixing: request.mixing,
      augmentation: request.augmentation,
      directionLoss: request.direction_loss,
      frozenAdam: request.frozen_adam,
      trainParams: request.train_params,
      sampleEvery: request.preview_every,
      sampleCount: request.preview_count,
      sampleTruncation: request.preview_truncation,
    }),
  };
  inFields(() => checkOptions(options));
  inField("train_layers", () => layerPlan(base.architecture, options));
  for (const { model, weight } of clips) {
    if (weight === 0) continue;
    if (options.source !== "") inField("source", () => checkText(model, options.source));
    for (const { text } of targets) inField("target", () => checkText(model, text));
  }
  return options;
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without what is undefined, so that it does not cover a default. */
function defined<T extends object>(values: T): Defined<T> {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined),
  ) as Defined<T>;
}
