import type { Command } from "commander";
import { REGISTRY } from "../models/registry.ts";
import {
  modelPath,
  type ModelRecord,
  modelsFolder,
  removeModel,
  storedModels,
} from "../models/store.ts";
import { formatBytes, printable } from "./layout.ts";

interface Flags {
  readonly json?: boolean;
}

const NOTES = `
Models are kept in --models-dir, else NADA_MODELS, else ~/.cache/nada/models.

Examples:
  nada models
  nada models rm ffhq
`;

/** See CommandModule. */
export function register(command: Command): void {
  command
    .option("--json", "print all that is known as JSON")
    .addHelpText("after", NOTES)
    .action(({ json }: Flags) => list(json ?? false));
  removeModels(command.command("rm").description("remove pulled models"));
}

/** Lets a command remove models. */
export function removeModels(command: Command): void {
  command.argument("<names...>", "as they are listed")
    .action(async (names: string[]) => {
      for (const name of names) await removeModel(name);
    });
}

/** A model as it is listed; what is here has a path. */
interface Listed {
  readonly name: string;
  readonly kind: string;
  readonly about: string;
  readonly resolution?: number;
  readonly licence: string | null;
  readonly path: string | null;
  /** Of what is here, else as it is stated; null where it is not. */
  readonly sizeBytes: number | null;
}

function list(json: boolean): void {
  const stored = storedModels();
  const known = REGISTRY.map((entry) => {
    const record = stored.find(({ name }) => name === entry.name);
    return { sizeBytes: null, ...entry, ...hereOf(record) };
  });
  const others = stored.filter(({ name }) => !REGISTRY.some((entry) => entry.name === name))
    .map((record) => ({ ...record, about: record.source, sizeBytes: null, ...hereOf(record) }));
  if (json) {
    return console.log(JSON.stringify({ folder: modelsFolder(), models: [...others, ...known] }));
  }
  const all: Listed[] = [...others, ...known];
  console.log(table(all.filter(({ path }) => path !== null), `Here, in ${modelsFolder()}:`));
  console.log(table(all.filter(({ path }) => path === null), "\nTo be had with nada pull NAME:"));
}

function hereOf(
  record: ModelRecord | undefined,
): Pick<Listed, "path"> & Partial<Pick<Listed, "sizeBytes">> {
  if (!record) return { path: null };
  const sizeBytes = record.files.reduce((sum, file) => sum + file.sizeBytes, 0);
  return { path: modelPath(record), sizeBytes };
}

function table(models: readonly Listed[], title: string): string {
  if (models.length === 0) return `${title}\n  none`;
  const width = (of: (model: Listed) => string) =>
    Math.max(...models.map((model) => printable(of(model)).length)) + 2;
  const [name, about] = [width((model) => model.name), width((model) => model.about)];
  const rows = models.map(({ resolution, sizeBytes, licence, ...model }) => {
    const side = resolution === undefined ? "" : String(resolution);
    const rest = [sizeBytes && formatBytes(sizeBytes), licence && printable(licence)];
    return `  ${printable(model.name).padEnd(name)}${printable(model.about).padEnd(about)}` +
      `${side.padStart(4)}  ${rest.filter(Boolean).join(", ")}`;
  });
  return [title, ...rows.map((row) => row.trimEnd())].join("\n");
}
