/** Models from the net into the store. */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { sha256File, sidecarPath, sidecarText } from "../lib/checkpoint/mod.ts";
import { download, type DownloadOptions } from "../lib/download/download.ts";
import { UserError } from "../lib/errors.ts";
import { writeFileAtomic } from "../lib/files.ts";
import { huggingFacePlan } from "./hugging_face.ts";
import { inspectFile } from "./recognise.ts";
import { entryOf } from "./registry.ts";
import {
  findModel,
  modelFolder,
  type ModelKind,
  modelPath,
  type ModelRecord,
  writeRecord,
} from "./store.ts";

export interface PlannedFile {
  readonly name: string;
  readonly url: string;
  /** Null where its publisher does not say it. */
  readonly sha256: string | null;
  readonly sizeBytes: number | null;
}

/** What a pull brings. */
export interface PullPlan {
  readonly name: string;
  readonly source: string;
  readonly licence: string | null;
  readonly licenceUrl: string | null;
  readonly files: readonly PlannedFile[];
  readonly headers: Readonly<Record<string, string>>;
}

export interface PullRequest {
  /** A name of the registry, "hf:owner/repo" or "hf:owner/repo/file", or an address. */
  readonly source: string;
  /** What it is to be called; null for its own name. */
  readonly name: string | null;
  /** Of the file at an address. */
  readonly sha256: string | null;
}

/** Finds out what there is to bring; for Hugging Face, that asks its server. Throws a UserError. */
export async function planPull({ source, name, sha256 }: PullRequest): Promise<PullPlan> {
  if (sha256 !== null && !/^[0-9a-f]{64}$/i.test(sha256)) {
    throw new UserError(
      `Cannot take "${sha256}" for a sha256: it has 64 digits from 0 to 9 and a to f`,
    );
  }
  if (/^https?:/i.test(source)) return addressPlan(source, name, sha256);
  if (sha256 !== null) {
    throw new UserError(
      `Cannot use --sha256 with "${source}": it is for addresses; the others' are known`,
    );
  }
  if (source.startsWith("hf:")) {
    const plan = await huggingFacePlan(source);
    return { ...plan, name: name ?? plan.name };
  }
  const { name: own, url, licence, licenceUrl, ...entry } = entryOf(source);
  const file = {
    name: fileName(url),
    url,
    sha256: entry.sha256 ?? null,
    sizeBytes: entry.sizeBytes ?? null,
  };
  return { name: name ?? own, source: url, licence, licenceUrl, files: [file], headers: {} };
}

function addressPlan(url: string, name: string | null, sha256: string | null): PullPlan {
  const file = URL.canParse(url) ? fileName(url) : "";
  if (file === "") throw new UserError(`Cannot pull "${url}": it is not the address of a file`);
  if (sha256 === null) {
    throw new UserError(
      `Cannot pull "${url}" without --sha256: nothing else says that it is the file you mean; its ` +
        `publisher should name it`,
    );
  }
  return {
    name: name ?? file.replace(/\.[^.]+$/, ""),
    source: url,
    licence: null,
    licenceUrl: null,
    files: [{ name: file, url, sha256, sizeBytes: null }],
    headers: {},
  };
}

/** The last part of an address, which names a file and no place. */
function fileName(url: string): string {
  const name = decodeURIComponent(new URL(url).pathname.split("/").at(-1)!);
  return /^[^/\\]+$/.test(name) && !/^\.+$/.test(name) ? name : "";
}

/** Brings the files and records what they are; a model of the same files is not brought again. */
export async function pullModel(plan: PullPlan, options: DownloadOptions): Promise<ModelRecord> {
  const { name, source } = plan;
  const known = findModel(name);
  if (known?.source === source) return known;
  if (known) {
    throw new UserError(
      `Cannot pull "${source}" as "${name}": that name is taken by what came from ` +
        `"${known.source}"; pass another with --name, or remove it with nada models rm`,
    );
  }
  const folder = modelFolder(name);
  await mkdir(folder, { recursive: true });
  try {
    const record = await bring(plan, folder, options);
    await writeRecord(record);
    return record;
  } catch (error) {
    await Deno.remove(folder).catch(() => {}); // what has come of it stays, an empty folder does not
    throw error;
  }
}

async function bring(
  { name, source, licence, licenceUrl, files, headers }: PullPlan,
  folder: string,
  options: DownloadOptions,
): Promise<ModelRecord> {
  const stored: ModelRecord["files"][number][] = [];
  for (const { name: file, url, sha256, sizeBytes } of files) {
    const path = join(folder, file);
    // Left there by a pull that ended before its last file.
    const isThere = sha256 !== null && existsSync(path) && await sha256File(path) === sha256;
    const brought = isThere
      ? { sha256, sizeBytes: (await Deno.stat(path)).size }
      : await download({ url, path, sha256, sizeBytes, headers }, options);
    stored.push({ name: file, ...brought });
    // Compared whenever the file is read from now on, and by sha256sum -c.
    await writeFileAtomic(sidecarPath(path), sidecarText(path, brought.sha256));
  }
  const record: ModelRecord = {
    name,
    kind: "unknown",
    source,
    licence,
    licenceUrl,
    files: stored,
    pulled: new Date().toISOString(),
  };
  return { ...record, kind: await kindOf(modelPath(record)) };
}

/** What the model is, once it is there; files that nada cannot read are kept all the same. */
async function kindOf(path: string): Promise<ModelKind> {
  try {
    const { contents } = await inspectFile(path);
    if (contents.kind === "clip") return "clip";
    return contents.kind.startsWith("stylegan") ? "generator" : "unknown";
  } catch (error) {
    if (error instanceof UserError) return "unknown";
    throw error;
  }
}
