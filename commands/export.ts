import type { Command } from "commander";
import { UserError } from "../lib/errors.ts";
import { generatorPath } from "../models/catalog.ts";
import { type AdaptedFlags, loadAdapted } from "./adapted_generator.ts";
import { classOption, parseNumber } from "./options.ts";
import { addWriteOptions, checkWriting, type WriteFlags, writeModel } from "./write_model.ts";

type Flags = AdaptedFlags & WriteFlags;

const NOTES = `
rosinality   a file of torch.save that rosinality's stylegan2-pytorch, StyleGAN-NADA
             and all that is built on them load strictly: {"g_ema": …,
             "latent_avg": …}
safetensors  the same tensors in one safetensors file
hf           a folder for the Hugging Face Hub: model.safetensors, config.json and a
             model card

Examples:
  nada export --generator ffhq.pt --adapted runs/sketch/adapted.safetensors \\
    --out sketch.pt
  nada export --generator ffhq.pt --adapted runs/sketch/adapted.safetensors \\
    --strength 0.8 --format hf --out sketch/
`;

/** See CommandModule. */
export function register(command: Command): void {
  command
    .requiredOption("--generator <file>", "the generator, or demo", generatorPath)
    .addOption(classOption())
    .option("--adapted <file>", "adapted.safetensors of a run with it, to be merged into it")
    .option("--strength <x>", "of the adaptation: 0 none, 1 full, above 1 more", parseNumber);
  addWriteOptions(command)
    .addHelpText("after", NOTES)
    .action((flags: Flags) => run(flags));
}

async function run(flags: Flags): Promise<void> {
  if (flags.strength !== undefined && flags.adapted === undefined) {
    throw new UserError("Cannot use --strength without --adapted; pass both or neither");
  }
  const format = await checkWriting(flags);
  const { weights, about } = await loadAdapted(flags);
  await writeModel(weights, about, format, flags);
}
