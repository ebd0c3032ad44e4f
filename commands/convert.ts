import type { Command } from "commander";
import { basename, dirname } from "node:path";
import { UserError } from "../lib/errors.ts";
import { generatorPath } from "../models/catalog.ts";
import { convertClip } from "../models/clip/convert.ts";
import { loadGenerator } from "../models/nada/generator_file.ts";
import { inspectFile } from "../models/recognise.ts";
import { classOption } from "./options.ts";
import {
  addWriteOptions,
  checkWriting,
  inNewFolder,
  report,
  type WriteFlags,
  writeModel,
} from "./write_model.ts";

interface Flags extends WriteFlags {
  readonly class?: number;
}

const NOTES = `
Generators are written as nada export does it. CLIP models are written as
safetensors under their own names: a file as FILE.safetensors, a folder as a
folder (hf).

Examples:
  nada convert ffhq.pkl --out ffhq.pt
  nada convert ffhq.pt --format hf --out ffhq/
  nada convert ViT-B-32.pt --out ViT-B-32.safetensors
`;

/** See CommandModule. */
export function register(command: Command): void {
  command
    .argument("<model>", "generator or CLIP model, a file or a folder", generatorPath)
    .addOption(classOption());
  addWriteOptions(command)
    .addHelpText("after", NOTES)
    .action((path: string, flags: Flags) => run(path, flags));
}

async function run(path: string, flags: Flags): Promise<void> {
  const format = await checkWriting(flags);
  const { contents, file } = await inspectFile(path);
  if (contents.kind === "clip") {
    const form = file === path ? "file" : "folder";
    if (format !== (form === "file" ? "safetensors" : "hf")) {
      throw new UserError(
        `Cannot write "${path}" as ${format}: it is a CLIP model in a ${form}; give --out ` +
          (form === "file" ? "FILE.safetensors" : "a folder"),
      );
    }
    const place = form === "file" ? dirname(flags.out) : flags.out;
    await inNewFolder(place, () => convertClip(path, flags.out, form));
    return report(flags, format, { clip: basename(path) });
  }
  if (contents.kind === "delta") {
    throw new UserError(
      `Cannot convert "${path}": it holds only what an adaptation changed of ` +
        `"${contents.base.file}"; merge the two with nada export --generator BASE --adapted FILE`,
    );
  }
  const { weights, sha256 } = await loadGenerator(path, flags.class ?? null);
  const about = {
    generator: basename(path),
    generatorSha256: sha256,
    ...flags.class !== undefined && { class: flags.class },
  };
  await writeModel(weights, about, format, flags);
}
