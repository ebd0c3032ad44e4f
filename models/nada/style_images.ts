/** Pictures as the target of a run. */
import { basename, join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { decodeImage, type RgbImage } from "../../lib/image/mod.ts";

export interface StyleImages {
  readonly pictures: readonly RgbImage[];
  /** Where they come from, in the same order. */
  readonly paths: readonly string[];
  /** One line for each file that was left out. */
  readonly skipped: readonly string[];
}

/**
 * The PNG, JPEG and WebP files of a folder, by name, or one such file. Throws a UserError for a
 * folder that has none, and for a file that cannot be read, unless `skipBad` leaves it out.
 */
export async function readStyleImages(path: string, skipBad: boolean): Promise<StyleImages> {
  const [pictures, paths, skipped] = [[] as RgbImage[], [] as string[], [] as string[]];
  const found = await imageFiles(path);
  for (const file of found) {
    try {
      pictures.push(await decodeImage(await readFile(file), file));
      paths.push(file);
    } catch (error) {
      if (!skipBad || !(error instanceof UserError)) throw hint(error);
      skipped.push(`Left out ${basename(file)}: ${error.message}`);
    }
  }
  if (pictures.length > 0) return { pictures, paths, skipped };
  const state = found.length === 0 ? "there are none" : `none of its ${found.length} can be read`;
  throw new UserError(
    `Cannot take style images from "${path}": ${state}; put PNG, JPEG or WebP files there`,
  );
}

async function imageFiles(path: string): Promise<string[]> {
  try {
    if (!(await Deno.stat(path)).isDirectory) return [path];
    const names = (await Array.fromAsync(Deno.readDir(path)))
      .filter(({ name, isDirectory }) => !isDirectory && /^[^.].*\.(png|jpe?g|webp)$/i.test(name))
      .map(({ name }) => name);
    return names.sort().map((name) => join(path, name));
  } catch (error) {
    throw unreadable(`the folder "${path}"`, error);
  }
}

async function readFile(path: string): Promise<Uint8Array> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    throw unreadable(`"${path}"`, error);
  }
}

/** What the system says, as a UserError; what nada itself may not do, stays as it is. */
function unreadable(what: string, error: unknown): unknown {
  if (error instanceof Deno.errors.NotCapable) return error;
  const reason = error instanceof Deno.errors.NotFound
    ? "there is no such file"
    : error instanceof Deno.errors.PermissionDenied
    ? "this user may not"
    : (error as Error).message;
  return new UserError(`Cannot read ${what}: ${reason}; mend it or take it away`, { cause: error });
}

/** Adds to the message of a UserError how to go on without the file. */
function hint(error: unknown): unknown {
  if (!(error instanceof UserError)) return error;
  return new UserError(`${error.message}, or pass --skip-bad-images`, { cause: error });
}
