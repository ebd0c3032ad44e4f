/**
 * Models that were pulled, each in a folder of its own with a record of where it comes from:
 *
 *     NADA_MODELS, else XDG_CACHE_HOME/nada/models, else ~/.cache/nada/models
 *       ffhq/ffhq.pkl
 *       ffhq/ffhq.pkl.sha256
 *       ffhq/nada.json
 *       ViT-B%2F32/…
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { cacheFolder } from "../lib/cache_folder.ts";
import { UserError } from "../lib/errors.ts";
import { writeFileAtomic } from "../lib/files.ts";

export type ModelKind = "generator" | "clip" | "unknown";

export interface StoredFile {
  readonly name: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** What nada.json says. */
export interface ModelRecord {
  readonly name: string;
  readonly kind: ModelKind;
  /** Where it was taken from: an address, or "hf:owner/repo". */
  readonly source: string;
  /** In words, null where nobody has said it. */
  readonly licence: string | null;
  readonly licenceUrl: string | null;
  readonly files: readonly StoredFile[];
  readonly pulled: string;
}

const RECORD = "nada.json";

/** The folder of all models; it may not be there yet. */
export function modelsFolder(): string {
  const given = Deno.env.get("NADA_MODELS");
  if (given) return resolve(given);
  return join(cacheFolder(), "models");
}

/** The folder of a model of that name. */
export function modelFolder(name: string): string {
  return join(modelsFolder(), encodeURIComponent(name));
}

/** What is known of a pulled model; null if it is not there. */
export function findModel(name: string): ModelRecord | null {
  return readRecord(modelFolder(name));
}

/** All that are there, by name. */
export function storedModels(): ModelRecord[] {
  const folder = modelsFolder();
  if (!existsSync(folder)) return [];
  return readdirSync(folder).sort().flatMap((entry) => readRecord(join(folder, entry)) ?? []);
}

/** What to give as the model: its file, or its folder where it has several. */
export function modelPath({ name, files }: ModelRecord): string {
  const folder = modelFolder(name);
  return files.length === 1 ? join(folder, files[0]!.name) : folder;
}

export async function writeRecord(record: ModelRecord): Promise<void> {
  const text = JSON.stringify(record, null, 2);
  await writeFileAtomic(join(modelFolder(record.name), RECORD), `${text}\n`);
}

/** Removes a model and what has come of it so far. Throws a UserError where there is none. */
export async function removeModel(name: string): Promise<void> {
  const folder = modelFolder(name);
  if (!existsSync(folder)) {
    const names = storedModels().map((model) => model.name);
    throw new UserError(
      `Cannot remove "${name}": it is not in "${modelsFolder()}", which has ` +
        (names.length > 0 ? names.join(", ") : "no models"),
    );
  }
  await Deno.remove(folder, { recursive: true });
}

/** Null where there is none, where it is damaged, and where a file of it is gone. */
function readRecord(folder: string): ModelRecord | null {
  try {
    const record = JSON.parse(readFileSync(join(folder, RECORD), "utf8")) as ModelRecord;
    return record.files.every(({ name }) => existsSync(join(folder, name))) ? record : null;
  } catch {
    return null;
  }
}
