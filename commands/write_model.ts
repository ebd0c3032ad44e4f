/** What `nada export` and `nada convert` share: formats, the place to write to, the report. */
import { type Command, Option } from "commander";
import { dirname } from "node:path";
import { UserError } from "../lib/errors.ts";
import {
  EXPORT_FORMATS,
  type ExportAbout,
  type ExportFormat,
  exportGenerator,
} from "../models/generator/export.ts";
import type { GeneratorWeights } from "../models/generator/families.ts";
import { checkOutput, makeFolder } from "./output.ts";

export interface WriteFlags {
  readonly format?: ExportFormat;
  readonly out: string;
  readonly overwrite?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Adds the options. */
export function addWriteOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--format <name>", "(default: by the name of --out)").choices(EXPORT_FORMATS),
    )
    .requiredOption("-o, --out <path>", "FILE.pt, FILE.safetensors, or a folder for hf")
    .option("--overwrite", "replace files that are there")
    .option("--json", "say what was written as JSON")
    .option("--quiet", "print nothing");
}

const ENDINGS: Readonly<Record<Exclude<ExportFormat, "hf">, RegExp>> = {
  rosinality: /\.(pt|pth|bin)$/i,
  safetensors: /\.safetensors$/i,
};

/** The format that is meant. Throws a UserError where the name says another, or no place is free. */
export async function checkWriting(
  { format: asked, out, overwrite = false }: WriteFlags,
): Promise<ExportFormat> {
  const named = ENDINGS.rosinality.test(out)
    ? "rosinality"
    : ENDINGS.safetensors.test(out)
    ? "safetensors"
    : "hf";
  const format = asked ?? named;
  if (format !== named) {
    const wanted = { rosinality: "FILE.pt", safetensors: "FILE.safetensors", hf: "a folder" };
    throw new UserError(
      `Cannot write the format ${format} to "${out}": its name is that of ${named}; give --out ` +
        wanted[format],
    );
  }
  await checkOutput(out, { kind: format === "hf" ? "folder" : "file", overwrite });
  return format;
}

/** Writes the generator, and says so. */
export async function writeModel(
  weights: GeneratorWeights,
  about: ExportAbout,
  format: ExportFormat,
  flags: WriteFlags,
): Promise<void> {
  await inNewFolder(
    format === "hf" ? flags.out : dirname(flags.out),
    () => exportGenerator(flags.out, weights, { format, about }),
  );
  const { architecture: a } = weights;
  if (format === "rosinality" && a.family === "stylegan2" && a.limit !== null && !flags.quiet) {
    console.error(
      `Rosinality's code has no limit on activations, which is ${a.limit} here: images differ ` +
        `where a value goes beyond it`,
    );
  }
  report(flags, format, { ...about });
}

/** Makes the folder for what `write` writes; where that fails, a folder that is new is removed. */
export async function inNewFolder(path: string, write: () => Promise<void>): Promise<void> {
  const made = await makeFolder(path);
  try {
    await write();
  } catch (error) {
    if (made !== null) await Deno.remove(made, { recursive: true });
    throw error;
  }
}

/** Says what was written. */
export function report({ out, json, quiet }: WriteFlags, format: string, about: object): void {
  if (json) console.log(JSON.stringify({ out, format, ...about }));
  else if (!quiet) console.log(`Written  ${out} (${format})`);
}
