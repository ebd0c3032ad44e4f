/** The generators whose pictures are compared for a style. */
import { join } from "node:path";
import { UserError } from "../../../lib/errors.ts";
import type { Gpu } from "../../../lib/gpu/device.ts";
import type { Precision } from "../../../lib/graph/precision.ts";
import { generatorPath } from "../../catalog.ts";
import { adapt, readInputs } from "../../nada/adapt.ts";
import { applyDelta, readDelta } from "../../nada/delta.ts";
import { loadGenerator } from "../../nada/generator_file.ts";
import { DIRECTION_ONLY, type LossWeights } from "../../nada/losses/mod.ts";
import {
  disposeGenerator,
  generatorOf,
  type GeneratorWeights,
  uploadGenerator,
} from "../../generator/mod.ts";
import { DEMO_DEFAULTS, demoOptions } from "../settings.ts";
import { type Picture, STYLE_TEMPLATES, type StyleName } from "../world/mod.ts";
import { draw } from "./draw.ts";
import { trainSupervised } from "./supervised.ts";

/**
 * - "before": the generator that nobody has adapted.
 * - "adapted": by the direction between two texts, as `nada adapt` does.
 * - "global": by the target text alone, which the method's authors argue against.
 * - "supervised": shown the true pictures; what an adaptation with a perfect gradient could reach.
 */
export const CANDIDATES = ["before", "adapted", "global", "supervised"] as const;
export type Candidate = typeof CANDIDATES[number];

const LOSSES: Readonly<Record<"adapted" | "global", LossWeights>> = {
  adapted: DIRECTION_ONLY,
  global: { ...DIRECTION_ONLY, direction: 0, global: 1 },
};

export interface CandidateOptions {
  readonly style: StyleName;
  /** What the style is called in the run. */
  readonly target: string;
  readonly steps: number;
  /** How many layers "adapted" chooses for each step, 0 to train all. */
  readonly autoLayerCount: number;
  readonly precision: Precision;
  /** The CLIP that leads. */
  readonly clip: string;
  /** Where the folders of runs go. */
  readonly folder: string;
  readonly onStep: (done: number, loss: number | null) => void;
}

/** Makes the generator and draws its pictures of z `[n, 64]`. */
export async function picturesOf(
  gpu: Gpu,
  candidate: Candidate,
  z: Float32Array<ArrayBuffer>,
  { style, target, steps, autoLayerCount, precision, clip, folder, onStep }: CandidateOptions,
): Promise<Picture[]> {
  const base = await loadGenerator(generatorPath("demo"));
  let weights: GeneratorWeights = base.weights;
  if (candidate === "adapted" || candidate === "global") {
    const run = join(folder, `${fileName(target)}-${candidate}`);
    await runAdaptation(gpu, run, {
      ...demoOptions(target, clip),
      steps,
      precision,
      sampleEvery: 0,
      autoLayers: candidate === "adapted" && autoLayerCount > 0
        ? { count: autoLayerCount, iterations: 1, batch: 8, every: 1 }
        : null,
      lambdas: LOSSES[candidate],
    }, onStep);
    weights = applyDelta(weights, base, await readDelta(join(run, "adapted.safetensors")));
  }
  const generator = await uploadGenerator(gpu, weights);
  try {
    if (candidate === "supervised") {
      let done = 0;
      await trainSupervised(gpu, generator, {
        ...DEMO_DEFAULTS,
        style,
        steps,
        layers: generatorOf(generator.architecture).defaultLayers,
        onStep: (loss) => onStep(++done, loss),
      });
    }
    return await draw(gpu, generator, z);
  } finally {
    disposeGenerator(generator);
  }
}

/** A target as a part of a file's name. */
export function fileName(target: string): string {
  return target.replaceAll(" ", "-");
}

/** A run as the command makes it, with the sentences that the demo CLIP knows. */
async function runAdaptation(
  gpu: Gpu,
  folder: string,
  options: Parameters<typeof readInputs>[0],
  onStep: CandidateOptions["onStep"],
): Promise<void> {
  const inputs = { ...await readInputs(options), templates: STYLE_TEMPLATES };
  const events = {
    onStep: ({ step, loss }: { step: number; loss: number | null }) => onStep(step + 1, loss),
  };
  const { status } = await adapt(gpu, folder, inputs, events, new AbortController().signal);
  if (status === "finished") return;
  throw new UserError(
    `Cannot measure the run in "${folder}": it is ${status}; read its log.jsonl, and try a lower ` +
      `rate`,
  );
}
