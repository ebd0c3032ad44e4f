/** Places to write results to: checked before the work, made when there is something to write. */
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { UserError } from "../lib/errors.ts";

/**
 * Throws a UserError unless a new file, or a new or empty folder, can be written at `path`; with
 * `overwrite` it may also be there already.
 */
export async function checkOutput(
  path: string,
  { kind, overwrite }: { kind: "file" | "folder"; overwrite: boolean },
): Promise<void> {
  const refuse = (reason: string): never => {
    throw new UserError(`Cannot write to "${path}": ${reason}`);
  };
  const info = await statOrNull(path);
  if (info === null) {
    const place = await nearestPlace(dirname(path));
    if (!(await Deno.stat(place)).isDirectory) refuse(`"${place}" is a file, not a folder`);
    return await tryToWrite(place, refuse);
  }
  if (info.isDirectory !== (kind === "folder")) {
    refuse(`it is a ${info.isDirectory ? "folder" : "file"}; name another place with --out`);
  }
  const taken = kind === "file" || !Deno.readDirSync(path)[Symbol.iterator]().next().done;
  if (taken && !overwrite) {
    const state = kind === "file" ? "it exists" : "the folder has files in it";
    refuse(`${state}; name another place with --out, or pass --overwrite`);
  }
  await tryToWrite(kind === "file" ? dirname(path) : path, refuse);
}

/** Finds out now rather than when the work is done. */
async function tryToWrite(folder: string, refuse: (reason: string) => never): Promise<void> {
  try {
    await Deno.remove(await Deno.makeTempFile({ dir: folder, prefix: ".nada-" }));
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    refuse((error as Error).message);
  }
}

/** Makes a folder and those above it. Returns the topmost that was made, null if all were there. */
export async function makeFolder(path: string): Promise<string | null> {
  try {
    return await mkdir(path, { recursive: true }) ?? null;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new UserError(`Cannot make the folder "${path}": ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** The path itself, or the next above it that is there. */
async function nearestPlace(path: string): Promise<string> {
  return await statOrNull(path) ? path : await nearestPlace(dirname(path));
}

async function statOrNull(path: string): Promise<Deno.FileInfo | null> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    // Below a file nothing can be.
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return null;
    }
    throw new UserError(`Cannot write to "${path}": ${(error as Error).message}`, { cause: error });
  }
}
