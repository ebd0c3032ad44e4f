import type { Command } from "commander";
import { generatorPath } from "../models/catalog.ts";
import { type AdaptedFlags, addAdaptedOptions, loadAdapted } from "./adapted_generator.ts";
import { classOption } from "./options.ts";
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
    .addOption(classOption());
  addWriteOptions(addAdaptedOptions(command))
    .addHelpText("after", NOTES)
    .action((flags: Flags) => run(flags));
}

async function run(flags: Flags): Promise<void> {
  const format = await checkWriting(flags);
  const { weights, about } = await loadAdapted(flags);
  await writeModel(weights, about, format, flags);
}
