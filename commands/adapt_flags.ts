/** The flags of `nada adapt` that say what a run does. */
import type { Command, Option } from "commander";
import type { AdaptOptions } from "../models/nada/adapt.ts";
import { FROZEN_ADAM } from "../models/nada/adam_clock.ts";
import { AUGMENTATIONS } from "../models/nada/augmentation.ts";
import { LR_SCHEDULES } from "../models/nada/learning_rate.ts";
import { DIRECTION_DISTANCES, LOSS_PARTS, type LossPart } from "../models/nada/losses/mod.ts";
import { ADAPT_DEFAULTS, CROPS, STOP_RULES } from "../models/nada/options.ts";
import { PRECISION_CHOICES } from "../models/nada/precision_choice.ts";
import type { TargetText } from "../models/nada/run_targets.ts";
import { PHASE_NAMES, TRAIN_PARAMS } from "../models/nada/trained_layers.ts";
import {
  choice,
  classOption,
  clipResizeOption,
  collectClips,
  collectNumbers,
  noiseOption,
  parseCount,
  parseNumber,
  parsePositive,
  parseSeed,
  parseWhole,
} from "./options.ts";
import { clipPath, generatorPath } from "../models/catalog.ts";

type AsInRun = Pick<
  AdaptOptions,
  | "batch"
  | "lr"
  | "seed"
  | "sampleEvery"
  | "noise"
  | "clipResize"
  | "steps"
  | "lrSchedule"
  | "directionLoss"
  | "frozenAdam"
  | "trainParams"
  | "mixing"
  | "augmentation"
  | "sampleTruncation"
  | "paperGrids"
  | "crop"
  | "checkpointEvery"
  | "snapshots"
  | "precision"
>;

/** "lambdaDirection", … as commander names them. */
type LambdaFlags = { [P in LossPart as `lambda${Capitalize<P>}`]: number };

/** The flags that say what a run does. */
export interface RunFlags extends AsInRun, LambdaFlags {
  generator?: string;
  /** Images in a grid. */
  nSample: number;
  stopOn?: AdaptOptions["stopOn"] & string;
  size?: number;
  preset?: string;
  class?: number;
  trainGenerator?: string;
  clip?: string[];
  clipWeight?: number[];
  source?: string;
  target?: TargetText[];
  styleImages?: string;
  imageBatch: number;
  textWeight: number;
  skipBadImages?: boolean;
  textureClip?: string;
  autoLayerK?: number;
  autoLayerIters: number;
  autoLayerBatch: number;
  layersEvery: number;
  phase?: AdaptOptions["phase"] & string | "";
  trainLayers?: string[];
  z?: string;
  templates?: string;
  partTemplates?: string;
  checkpointActivations?: boolean;
}

/** Adds the options that say what a run does. */
export function addRunOptions(command: Command): Command {
  const preset = ADAPT_DEFAULTS;
  command
    .option(
      "--generator <file>",
      "StyleGAN2 or 3 to adapt (.pt, .pkl, .safetensors), or demo",
      generatorPath,
    )
    .addOption(classOption())
    .option(
      "--clip <path>",
      "CLIP: OpenAI's .pt, open_clip's, Hugging Face's folder; several add up",
      collectClips,
    )
    .option("--clip-weight <x>", "weight of each --clip, in their order", collectNumbers)
    .option("--source <text>", "what the generator draws now")
    .option(
      "--target <text>",
      'what it is to draw; several with weights as "sketch:0.7"',
      collectTargets,
    )
    .option(
      "--train-generator <file>",
      "start of the trained copy: a generator, or a delta",
      generatorPath,
    )
    .option("--steps <n>", "training steps", parseCount, preset.steps)
    .option("--batch <n>", "latents a step", parseCount, preset.batch)
    .option("--lr <x>", "learning rate, before the method's factor 4/5", parsePositive, preset.lr)
    .addOption(
      choice(
        "--lr-schedule <how>",
        "the rate over the run: as it is, or falling to 0 along a cosine",
        LR_SCHEDULES,
      ).default(preset.lrSchedule),
    )
    .option("--seed <n>", "seed of latents and noise", parseSeed, preset.seed)
    .option(
      "--sample-every <n>",
      "steps between sample grids, 0 for none",
      parseWhole,
      preset.sampleEvery,
    )
    .addOption(noiseOption("noise in both generators", preset.noise))
    .option(
      "--z <file>",
      "safetensors with the latents, z [steps, batch, z_dim]; those of the choice of layers, " +
        "z_layer_selection, may stand beside it",
    )
    .option("--templates <file>", "text templates, one a line with {} for the text")
    .option("--part-templates <file>", "texts for the patch loss, as --templates")
    .addOption(clipResizeOption());

  command
    .option("--preset <name>", "a recipe: see nada presets; options given beside it win")
    .option("--mixing <p>", "probability that a step mixes two styles", parseNumber, preset.mixing)
    .addOption(
      choice("--augmentation <kind>", "what both images go through before CLIP", AUGMENTATIONS)
        .default(preset.augmentation),
    )
    .addOption(choice("--stop-on <event>", "end before --steps where the loss stays", STOP_RULES))
    .option(
      "--checkpoint-every <n>",
      "steps between states to resume from, beside those with a grid, 0 for none",
      parseWhole,
      preset.checkpointEvery,
    )
    .option(
      "--snapshots <n>",
      "steps between snapshots that nada pick can go back to, 0 for none",
      parseWhole,
      preset.snapshots,
    )
    .option(
      "--checkpoint-activations",
      "compute feature maps again for the gradient: less memory, more time (by itself where it is known that memory is short)",
    )
    .addOption(
      choice(
        "--precision <how>",
        "feature maps in full or half precision; auto: f16 on a GPU where the first losses agree",
        PRECISION_CHOICES,
      ).default(preset.precision),
    );

  command.optionsGroup("Grids:");
  command
    .option("--n-sample <n>", "images before and after", parseCount, preset.sampleCount)
    .option(
      "--paper-grids <n>",
      "at the end, grids of 16 seeds without words, before above after",
      parseWhole,
      preset.paperGrids,
    )
    .option("--sample-truncation <psi>", "their truncation", parseNumber, preset.sampleTruncation)
    .addOption(
      choice("--crop <kind>", "cars: the middle three quarters of the rows", CROPS)
        .default(preset.crop),
    );

  command.optionsGroup("Images as the target:");
  command
    .option(
      "--style-images <path>",
      "a PNG, JPEG or WebP file, or a folder of them, to move towards in place of a text",
    )
    .option(
      "--image-batch <n>",
      "samples that they are compared with",
      parseCount,
      preset.imageBatch,
    )
    .option(
      "--text-weight <x>",
      "share of the texts in the direction",
      parseNumber,
      preset.textWeight,
    )
    .option("--skip-bad-images", "leave out files that cannot be read");

  command.optionsGroup("Loss:");
  for (const part of LOSS_PARTS) {
    command.option(
      `--lambda-${part} <x>`,
      `weight of the ${part} loss`,
      parseNumber,
      preset.lambdas[part],
    );
  }
  command
    .addOption(
      choice("--direction-loss <kind>", "how directions are compared", DIRECTION_DISTANCES)
        .default(preset.directionLoss),
    )
    .option("--texture-clip <path>", "CLIP with a ResNet for the texture loss", clipPath);

  command.optionsGroup("Layers:");
  command
    .option(
      "--auto-layer-k <n>",
      "choose so many layers for each step, 0 for no choice",
      parseWhole,
    )
    .option(
      "--auto-layer-iters <n>",
      "optimisation steps of a choice, 0 for no choice",
      parseWhole,
      1,
    )
    .option("--auto-layer-batch <n>", "latents of a choice", parseCount, 8)
    .option("--layers-every <n>", "steps that a choice holds for", parseCount, 1)
    .addOption(
      choice("--frozen-adam <how>", "Adam's moments of layers not chosen", FROZEN_ADAM)
        .default(preset.frozenAdam),
    )
    .addOption(phaseOption())
    .option(
      "--train-layers <names>",
      "layers to train: input,conv1,convs.0,to_rgbs,style …; of StyleGAN3: input,L0,L1,affine,mapping …",
      parseList,
    )
    .addOption(
      choice(
        "--train-params <which>",
        "what of the layers: all of it, the affine layers of their styles, or one shift a style channel",
        TRAIN_PARAMS,
      ).default(preset.trainParams),
    );
  return command;
}

/** "sketch" counts 1; after a colon stands another weight. */
function collectTargets(text: string, before: TargetText[] = []): TargetText[] {
  const [, words = text, weight = "1"] =
    /^(.*):\s*([+-]?\d*\.?\d+(?:e[+-]?\d+)?)\s*$/is.exec(text) ?? [];
  return [...before, { text: words.trim(), weight: Number(weight) }];
}

/** "None" is how the reference's examples ask for no phase. */
function phaseOption(): Option {
  const option = choice("--phase <name>", "a set of layers to train", PHASE_NAMES);
  const parse = option.parseArg!;
  return option.argParser((text, before) => text === "None" ? "" : parse(text, before));
}

function parseList(text: string): string[] {
  return text.split(",").map((name) => name.trim()).filter((name) => name !== "");
}
