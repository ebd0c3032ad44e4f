import { basename, dirname, join } from "node:path";
import { UserError } from "./errors.ts";

/** Appends to the file being written. */
export type Write = (content: Uint8Array | string) => Promise<void>;

/** Replaces `path` by `content`: after a crash the old or the new file is there, never half of one. */
export function writeFileAtomic(path: string, content: Uint8Array | string): Promise<void> {
  return writeAtomic(path, (write) => write(content));
}

/**
 * Replaces `path` by what `body` writes, all of it or nothing. The content goes to a temporary name
 * in the same folder, reaches the disk, and only then takes the name; when `body` or the disk fails,
 * the temporary file is removed and `path` stays as it was.
 *
 * Throws a UserError where the file system refuses; what `body` throws passes unchanged.
 */
export async function writeAtomic(
  path: string,
  body: (write: Write) => Promise<void>,
): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${crypto.randomUUID().slice(0, 8)}.tmp`);
  const writing = <T>(step: Promise<T>) => step.catch((error) => refuse(error, path, folder));

  const file = await writing(Deno.open(temporary, { write: true, createNew: true }));
  try {
    try {
      await body((content) => writing(writeAll(file, content)));
      await writing(file.sync());
    } finally {
      file.close();
    }
    await writing(Deno.rename(temporary, path));
  } catch (error) {
    await Deno.remove(temporary).catch(() => {}); // the first error says more
    throw error;
  }
  await writing(syncFolder(folder));
}

async function writeAll(file: Deno.FsFile, content: Uint8Array | string): Promise<void> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

/** A new name outlives a power cut only once the folder that it is in is on the disk. */
export async function syncFolder(folder: string): Promise<void> {
  if (Deno.build.os === "windows") return; // folders cannot be opened there
  using handle = await Deno.open(folder, { read: true });
  await handle.sync();
}

function refuse(error: Error, path: string, folder: string): never {
  const reason = error instanceof Deno.errors.NotFound
    ? `the folder "${folder}" does not exist; create it or write elsewhere`
    : error.message;
  throw new UserError(`Cannot write "${path}": ${reason}`, { cause: error });
}
