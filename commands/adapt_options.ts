/** From the flags of `nada adapt` to the options of a run. */
import type { Command } from "commander";
import { existsSync } from "node:fs";
import { basename, resolve } from "node:path";
import { UserError } from "../lib/errors.ts";
import type { AdaptOptions } from "../models/nada/adapt.ts";
import { type AutoLayers, checkOptions } from "../models/nada/options.ts";
import { PRESETS } from "../models/nada/presets.ts";
import type { RunFlags } from "./adapt_flags.ts";

/** Sets what the preset says, where nothing else was said. Throws a UserError for an unknown one. */
export function applyPreset(command: Command): void {
  const name: string | undefined = command.getOptionValue("preset");
  if (name === undefined) return;
  const preset = PRESETS.find((each) => each.name === name);
  if (!preset) {
    const names = PRESETS.map((each) => each.name).join(", ");
    throw new UserError(`Cannot use the preset "${name}": there is none; choose from ${names}`);
  }
  for (const [option, value] of Object.entries(preset.options)) {
    if (command.getOptionValueSource(option) === "cli") continue;
    command.setOptionValueWithSource(option, value, "config");
  }
}

/** Checks what was given and makes file names absolute; throws a UserError. */
export function resolveOptions(flags: RunFlags, given: (name: string) => boolean): AdaptOptions {
  if (!flags.generator) {
    throw new UserError(
      "Cannot adapt without --generator: name a StyleGAN2 or StyleGAN3 checkpoint; see nada adapt --help",
    );
  }
  const optional = (path: string | undefined, flag: string) => path ? file(path, flag) : null;
  const options: AdaptOptions = {
    generator: file(flags.generator, "--generator"),
    classIndex: flags.class ?? null,
    trainGenerator: optional(flags.trainGenerator, "--train-generator"),
    clips: resolveClips(flags),
    source: flags.source?.trim() ?? "",
    targets: flags.target ?? [],
    styleImages: optional(flags.styleImages, "--style-images"),
    imageBatch: flags.imageBatch,
    textWeight: flags.textWeight,
    skipBadImages: flags.skipBadImages ?? false,
    lambdas: {
      direction: flags.lambdaDirection,
      global: flags.lambdaGlobal,
      patch: flags.lambdaPatch,
      manifold: flags.lambdaManifold,
      texture: flags.lambdaTexture,
    },
    directionLoss: flags.directionLoss,
    textureClip: optional(flags.textureClip, "--texture-clip"),
    steps: flags.steps,
    batch: flags.batch,
    lr: flags.lr,
    lrSchedule: flags.lrSchedule,
    seed: flags.seed,
    sampleEvery: flags.sampleEvery,
    noise: flags.noise,
    z: optional(flags.z, "--z"),
    templates: optional(flags.templates, "--templates"),
    partTemplates: optional(flags.partTemplates, "--part-templates"),
    clipResize: flags.clipResize,
    autoLayers: resolveAutoLayers(flags, given),
    frozenAdam: flags.frozenAdam,
    phase: flags.phase || null,
    trainLayers: flags.trainLayers ?? null,
    trainParams: flags.trainParams,
    mixing: flags.mixing,
    augmentation: flags.augmentation,
    size: flags.size ?? null,
    sampleTruncation: flags.sampleTruncation,
    sampleCount: flags.nSample,
    paperGrids: flags.paperGrids,
    crop: flags.crop,
    checkpointEvery: flags.checkpointEvery,
    snapshots: flags.snapshots,
    checkpointActivations: flags.checkpointActivations ?? false,
    precision: flags.precision,
    stopOn: flags.stopOn ?? null,
  };
  const idle = ["textWeight", "imageBatch", "skipBadImages"].find(given);
  if (idle && options.styleImages === null) {
    throw new UserError(`Cannot use ${flagName(idle)} without --style-images: it concerns images`);
  }
  checkOptions(options);
  return options;
}

function resolveClips({ clip = [], clipWeight }: RunFlags): AdaptOptions["clips"] {
  if (clip.length === 0) {
    throw new UserError("Cannot adapt without --clip: name a CLIP model; see nada adapt --help");
  }
  const weights = clipWeight ?? clip.map(() => 1);
  if (weights.length !== clip.length) {
    throw new UserError(
      `Cannot weigh the CLIP models: there are ${clip.length} (${
        clip.map((path) => basename(path)).join(", ")
      }) and ${weights.length} weights (${weights.join(", ")}); give --clip-weight once for each ` +
        `--clip, or not at all`,
    );
  }
  return clip.map((path, i) => ({
    path: weights[i] === 0 ? resolve(path) : file(path, "--clip"),
    weight: weights[i]!,
  }));
}

/** null where layers are not to be chosen. */
function resolveAutoLayers(
  { autoLayerK = 0, autoLayerIters, autoLayerBatch, layersEvery }: RunFlags,
  given: (name: string) => boolean,
): AutoLayers | null {
  if (autoLayerK > 0 && autoLayerIters > 0) {
    return {
      count: autoLayerK,
      iterations: autoLayerIters,
      batch: autoLayerBatch,
      every: layersEvery,
    };
  }
  const idle = ["autoLayerBatch", "layersEvery", "frozenAdam"].find(given);
  if (idle && !given("autoLayerK")) {
    throw new UserError(
      `Cannot use ${flagName(idle)} without --auto-layer-k: no layers are chosen; say how many`,
    );
  }
  return null;
}

/** The absolute path of a file that has to be there. */
function file(path: string, flag: string): string {
  if (existsSync(path)) return resolve(path);
  throw new UserError(`Cannot open "${path}", given as ${flag}: there is no such file`);
}

/** "sampleEvery" → "--sample-every". */
export function flagName(name: string): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
