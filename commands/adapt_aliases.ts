/** The options of StyleGAN-NADA's training script, understood by `nada adapt` but not shown. */
import { type Command, Option } from "commander";
import { UserError } from "../lib/errors.ts";

const IMAGE_BATCH = "--img2img_batch";

/** Theirs, with what it takes, and the name of ours. */
const ALIASES: readonly (readonly [flags: string, ours: string])[] = [
  ["--frozen_gen_ckpt <file>", "generator"],
  ["--train_gen_ckpt <file>", "trainGenerator"],
  ["--output_dir <dir>", "out"],
  ["--source_class <text>", "source"],
  ["--target_class <text>", "target"],
  ["--iter <n>", "steps"],
  ["--clip_models <paths...>", "clip"],
  ["--clip_model_weights <x...>", "clipWeight"],
  ["--lambda_direction <x>", "lambdaDirection"],
  ["--lambda_global <x>", "lambdaGlobal"],
  ["--lambda_patch <x>", "lambdaPatch"],
  ["--lambda_manifold <x>", "lambdaManifold"],
  ["--lambda_texture <x>", "lambdaTexture"],
  ["--auto_layer_k <n>", "autoLayerK"],
  ["--auto_layer_iters <n>", "autoLayerIters"],
  ["--auto_layer_batch <n>", "autoLayerBatch"],
  ["--sample_truncation <psi>", "sampleTruncation"],
  ["--n_sample <n>", "nSample"],
  ["--num_grid_outputs <n>", "paperGrids"],
  ["--output_interval <n>", "sampleEvery"],
  ["--save_interval <n>", "snapshots"],
  ["--style_img_dir <dir>", "styleImages"],
  [`${IMAGE_BATCH} <n>`, "imageBatch"],
];

/**
 * Options that change nothing in the script either, or have no counterpart; that a generator is a
 * StyleGAN3, its file says.
 */
const DEAD = [
  "--channel_multiplier <n>",
  "--ckpt <file>",
  "--r1 <x>",
  "--path_regularize <x>",
  "--path_batch_shrink <n>",
  "--d_reg_every <n>",
  "--g_reg_every <n>",
  "--augment",
  "--augment_p <x>",
  "--ada_target <x>",
  "--ada_length <n>",
  "--ada_every <n>",
  "--sg3",
];

const CARS = "--crop_for_cars";
const REFUSED = "--sgxl";

/** Adds them, hidden. The names that both have need no alias. */
export function addAliases(command: Command): Command {
  for (const [flags, ours] of ALIASES) {
    const option = new Option(flags).hideHelp();
    const parse = optionOf(command, ours).parseArg;
    if (parse) option.argParser(parse);
    command.addOption(option);
  }
  for (const flags of [...DEAD, CARS, REFUSED]) command.addOption(new Option(flags).hideHelp());
  command.addOption(
    new Option("--size <n>").hideHelp().argParser(optionOf(command, "steps").parseArg!),
  );
  return command;
}

/**
 * Moves what was given by their names to ours. Returns a line about those that have no effect, null
 * if there are none. Throws a UserError where both names of an option were given.
 */
export function applyAliases(command: Command): string | null {
  const given = command.options.filter((option) =>
    command.getOptionValueSource(option.attributeName()) === "cli"
  );
  const isGiven = (long: string) => given.some((option) => option.long === long);
  if (isGiven(REFUSED)) {
    throw new UserError(
      `Cannot use ${REFUSED}: StyleGAN2 and StyleGAN3 generators can be adapted, StyleGAN-XL's not`,
    );
  }
  const move = (theirs: string, ours: string, value: unknown) => {
    const { long } = optionOf(command, ours);
    if (isGiven(long!)) {
      throw new UserError(`Cannot use ${theirs} and ${long} together: they are one; leave one out`);
    }
    command.setOptionValueWithSource(ours, value, "cli");
  };
  const idle = DEAD.map((flags) => flags.split(" ")[0]!).filter(isGiven);
  for (const [flags, ours] of ALIASES) {
    const theirs = flags.split(" ")[0]!;
    const option = given.find(({ long }) => long === theirs);
    // Scripts pass it whatever the target is; the name of the images has been moved by now.
    const isIdle = theirs === IMAGE_BATCH && !command.getOptionValue("styleImages");
    if (option && isIdle) idle.push(theirs);
    else if (option) move(theirs, ours, command.getOptionValue(option.attributeName()));
  }
  if (isGiven(CARS)) move(CARS, "crop", "cars");
  return idle.length > 0 ? `Without effect here: ${idle.join(", ")}` : null;
}

function optionOf(command: Command, name: string): Option {
  return command.options.find((option) => option.attributeName() === name)!;
}
