/** The sha256 that whoever handed a file on may have put beside it. */
import { createHash } from "node:crypto";
import { basename } from "node:path";
import { explained, refuse } from "./refusal.ts";

/** The name of the file for it, in the form of sha256sum: the digits, two spaces, the file's name. */
export function sidecarPath(path: string): string {
  return `${path}.sha256`;
}

/** The line for a file, as `sha256sum` prints it and `sha256sum -c` reads it. */
export function sidecarText(path: string, sha256: string): string {
  return `${sha256}  ${basename(path)}\n`;
}

/**
 * The sha256 that FILE.sha256 says; null where there is none. Refuses one that says nothing of this
 * file.
 */
export async function readSidecar(path: string): Promise<string | null> {
  const sidecar = sidecarPath(path);
  let text: string;
  try {
    if (!(await Deno.stat(sidecar)).isFile) return null;
    text = await Deno.readTextFile(sidecar);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    refuse(`"${sidecar}" beside it cannot be read (${(error as Error).message})`, error);
  }
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  const found = lines.map((line) => /^\\?([0-9a-f]{64})(?:\s+\*?(.+))?$/i.exec(line.trim()))
    .find((match) => match && (match[2] === undefined || basename(match[2]) === basename(path)));
  if (found) return found[1]!.toLowerCase();
  refuse(
    `"${sidecar}" beside it has no line of sha256sum for it; mend or remove that file`,
  );
}

/** Refuses a file whose sha256 is not the one beside it. */
export function compareSidecar(path: string, found: string, wanted: string): void {
  if (found === wanted) return;
  refuse(
    `the file's sha256 is ${found}, "${sidecarPath(path)}" has ${wanted}: it is damaged, or ` +
      `another file; fetch it again`,
  );
}

/**
 * The text of a small file that belongs to a checkpoint, compared with what lies beside it as well.
 * Throws a CheckpointError where they differ, and Deno's own error where it cannot be read.
 */
export async function readChecked(path: string): Promise<string> {
  const bytes = await Deno.readFile(path);
  return await explained(`"${path}"`, async () => {
    const wanted = await readSidecar(path);
    const found = createHash("sha256").update(bytes).digest("hex");
    if (wanted !== null) compareSidecar(path, found, wanted);
    return new TextDecoder().decode(bytes);
  });
}
