/** The options of a run, and which of them contradict each other. */
import { basename } from "node:path";
import { UserError } from "../../lib/errors.ts";
import type { ResizeVariant } from "../clip/preprocess.ts";
import type { NoiseMode } from "../generator/generator.ts";
import type { FrozenAdam } from "./adam_clock.ts";
import type { Augmentation } from "./augmentation.ts";
import {
  checkLossWeights,
  DIRECTION_ONLY,
  type DirectionDistance,
  type LossWeights,
} from "./losses/mod.ts";
import type { LrSchedule } from "./learning_rate.ts";
import type { PrecisionChoice } from "./precision_choice.ts";
import type { TargetText } from "./run_targets.ts";
import type { Phase, TrainParams } from "./trained_layers.ts";

/** A CLIP model and what its judgement counts; with 0 it is not even loaded. */
export interface ClipChoice {
  readonly path: string;
  readonly weight: number;
}

/** The adaptive choice of layers (StyleGAN-NADA, section 4.2). */
export interface AutoLayers {
  /** Layers to train in a step. */
  readonly count: number;
  /** Steps of gradient descent behind a choice. */
  readonly iterations: number;
  /** Latents behind a choice. */
  readonly batch: number;
  /** Steps that a choice holds for. */
  readonly every: number;
}

export const CROPS = ["none", "cars"] as const;
export type Crop = typeof CROPS[number];

export const STOP_RULES = ["plateau"] as const;
export type StopOn = typeof STOP_RULES[number];

/** Every option of a run, resolved. Files are absolute paths, so that a run can be resumed from anywhere. */
export interface AdaptOptions {
  readonly generator: string;
  /** What its images are to show, where they are of classes. */
  readonly classIndex: number | null;
  /** Start of the trained copy: a generator, or a delta of `generator`. */
  readonly trainGenerator: string | null;
  readonly clips: readonly ClipChoice[];
  /** Empty where pictures alone are the target. */
  readonly source: string;
  /** Texts to move towards, which share the direction by their weights. */
  readonly targets: readonly TargetText[];
  /** A picture, or a folder of them, to move towards. */
  readonly styleImages: string | null;
  /** Images that stand for what the generator draws, against the style images. */
  readonly imageBatch: number;
  /** Share of the texts in the direction where there are style images, from 0 to 1. */
  readonly textWeight: number;
  /** Leaves out style images that cannot be read. */
  readonly skipBadImages: boolean;
  readonly lambdas: LossWeights;
  readonly directionLoss: DirectionDistance;
  /** A CLIP with a ResNet for the texture loss; null to take the first of `clips`. */
  readonly textureClip: string | null;
  readonly steps: number;
  readonly batch: number;
  readonly lr: number;
  readonly lrSchedule: LrSchedule;
  readonly seed: number;
  readonly sampleEvery: number;
  readonly noise: NoiseMode;
  readonly z: string | null;
  readonly templates: string | null;
  /** Texts of the parts that patches may show, for the patch loss. */
  readonly partTemplates: string | null;
  readonly clipResize: ResizeVariant;
  /** null trains the same layers in every step. */
  readonly autoLayers: AutoLayers | null;
  readonly frozenAdam: FrozenAdam;
  readonly phase: Phase | null;
  readonly trainLayers: readonly string[] | null;
  /** What of these layers. */
  readonly trainParams: TrainParams;
  /** Probability that a step mixes the styles of two latents. */
  readonly mixing: number;
  readonly augmentation: Augmentation;
  /** Side of the generator's images as the user knows it; null to take what the file says. */
  readonly size: number | null;
  readonly sampleTruncation: number;
  /** Images before and after in a grid. */
  readonly sampleCount: number;
  /** Grids without words, as in the paper, at the end of the run. */
  readonly paperGrids: number;
  /** "cars" shows the middle three quarters of the rows, the aspect ratio of LSUN's cars. */
  readonly crop: Crop;
  /** Steps between states to go on from, 0 for only those with a grid. */
  readonly checkpointEvery: number;
  /** Steps between snapshots that are kept, 0 for none. */
  readonly snapshots: number;
  /** Computes maps again for the gradient, which takes less memory and more time. */
  readonly checkpointActivations: boolean;
  /** How feature maps and their cotangents are stored; of a run that has begun, never "auto". */
  readonly precision: PrecisionChoice;
  /** "plateau" ends the run where the loss no longer falls. */
  readonly stopOn: StopOn | null;
}

/** Options that have a value where nothing is asked for. */
export const ADAPT_DEFAULTS = {
  classIndex: null,
  trainGenerator: null,
  source: "",
  targets: [],
  styleImages: null,
  imageBatch: 16,
  textWeight: 0,
  skipBadImages: false,
  lambdas: DIRECTION_ONLY,
  directionLoss: "cosine",
  textureClip: null,
  steps: 300,
  batch: 2,
  lr: 0.002,
  lrSchedule: "constant",
  seed: 2,
  sampleEvery: 50,
  noise: "random",
  z: null,
  templates: null,
  partTemplates: null,
  clipResize: "bicubic",
  autoLayers: null,
  frozenAdam: "skip",
  phase: null,
  trainLayers: null,
  trainParams: "all",
  mixing: 0,
  augmentation: "none",
  size: null,
  sampleTruncation: 0.7,
  sampleCount: 8,
  paperGrids: 0,
  crop: "none",
  checkpointEvery: 0,
  snapshots: 0,
  checkpointActivations: false,
  precision: "auto",
  stopOn: null,
} as const satisfies Partial<AdaptOptions>;

/** Throws a UserError for options that cannot go together, whatever the files hold. */
export function checkOptions(options: AdaptOptions): void {
  const { clips, lambdas } = options;
  checkTargets(options);
  const bad = clips.find(({ weight }) => !Number.isFinite(weight));
  if (bad) {
    throw new UserError(`Cannot weigh "${bad.path}" by ${bad.weight}: give a number`);
  }
  const used = clips.filter(({ weight }) => weight !== 0);
  if (used.length === 0) {
    throw new UserError(
      "Cannot train without a CLIP model: the weights of all of them are 0; give one of them " +
        "another",
    );
  }
  const twice = used.find(({ path }, i) => used.findIndex((other) => other.path === path) !== i);
  if (twice) {
    throw new UserError(
      `Cannot use "${twice.path}" as two CLIP models: name it once, with the sum of its weights`,
    );
  }
  checkLossWeights(lambdas);
  if (options.textureClip !== null && lambdas.texture === 0) {
    throw new UserError(
      "Cannot use --texture-clip without the texture loss: pass --lambda-texture as well",
    );
  }
  checkLayerOptions(options);
  if (!(options.mixing >= 0 && options.mixing <= 1)) {
    throw new UserError(
      `Cannot mix styles with probability ${options.mixing}: give a number from 0 to 1`,
    );
  }
}

/** Texts and pictures have to be there for what the loss asks of them. */
function checkTargets(
  { source, targets, styleImages, textWeight, lambdas }: AdaptOptions,
): void {
  if (targets.length === 0 && styleImages === null) {
    throw new UserError("Cannot adapt without --target: say what the generator is to draw");
  }
  for (const { text, weight } of targets) {
    if (text.trim() === "") {
      throw new UserError('Cannot adapt to the target "": say what the generator is to draw');
    }
    if (text.trim().toLowerCase() === source.trim().toLowerCase()) {
      throw new UserError(
        `Cannot adapt from "${source}" to "${text}": source and target are the same text; there ` +
          `is no direction between them`,
      );
    }
    if (!(weight > 0 && weight < Infinity)) {
      throw new UserError(`Cannot weigh the target "${text}" by ${weight}: give a number above 0`);
    }
  }
  if (!(textWeight >= 0 && textWeight <= 1)) {
    throw new UserError(
      `Cannot mix texts and images by ${textWeight}: give --text-weight a number from 0, the ` +
        `images alone, to 1, the texts alone`,
    );
  }
  const comparing = lambdas.patch !== 0 ? "patch" : lambdas.manifold !== 0 ? "manifold" : null;
  if (targets.length === 0 && (textWeight !== 0 || comparing)) {
    const user = comparing ? `the ${comparing} loss` : "--text-weight";
    throw new UserError(`Cannot use ${user} without --target: it compares texts`);
  }
  const fromTexts = styleImages === null || textWeight !== 0 || comparing !== null;
  if (fromTexts && source.trim() === "") {
    throw new UserError("Cannot adapt without --source: say what the generator draws now");
  }
}

/** What a run moves from and to, in words for people. */
export function promptLabel({ source, targets, styleImages }: AdaptOptions) {
  const texts = targets.map(({ text, weight }) =>
    targets.length === 1 ? text : `${text} (${weight})`
  );
  if (styleImages !== null) texts.push(`images in ${basename(styleImages)}`);
  return { source: source || "generator", target: texts.join(" + ") };
}

/** The two texts of a run that has no more than these; null for others. */
export function promptTexts({ source, targets, styleImages }: AdaptOptions) {
  const [target, ...more] = targets;
  if (!target || more.length > 0 || styleImages !== null) return null;
  return { source, target: target.text };
}

/** Of the ways to say which layers are trained, only one can be meant. */
function checkLayerOptions({ autoLayers, phase, trainLayers }: AdaptOptions): void {
  const given = [
    autoLayers && "--auto-layer-k",
    phase && "--phase",
    trainLayers && "--train-layers",
  ].filter((flag) => flag !== null);
  if (given.length > 1) {
    throw new UserError(
      `Cannot use ${given.join(" and ")} together: each says which layers to train; leave one`,
    );
  }
}
