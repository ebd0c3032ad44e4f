/** A generator as commands take it: a checkpoint, perhaps with an adaptation on top. */
import { openCheckpoint } from "../../lib/checkpoint/mod.ts";
import { CheckpointError } from "../../lib/errors.ts";
import { findWeights } from "../clip/mod.ts";
import { type GeneratorWeights, readGenerator } from "../generator/families.ts";
import { type BaseFile, deltaAbout } from "./delta.ts";

/** The weights of a file, and what a delta knows the file by. */
export interface GeneratorFile extends BaseFile {
  readonly weights: GeneratorWeights;
}

/**
 * Reads a generator from a file, or a folder as Hugging Face has it; of a class where it has some.
 * Throws a CheckpointError as `readGenerator` does, and for a delta.
 */
export async function loadGenerator(
  path: string,
  classIndex: number | null = null,
): Promise<GeneratorFile> {
  const file = await findWeights(path) ?? path;
  using checkpoint = await openCheckpoint(file);
  const delta = deltaAbout(checkpoint);
  if (delta) {
    throw new CheckpointError(
      `Cannot load a generator from "${path}": it holds only what an adaptation changed of ` +
        `"${delta.base.file}"; give that file as --generator, and this one to nada sample as ` +
        `--adapted`,
    );
  }
  const weights = await readGenerator(checkpoint, classIndex);
  return { file: path, sha256: await checkpoint.sha256(), classIndex, weights };
}

/** Whether the file is a delta and no generator of its own. */
export async function isDelta(path: string): Promise<boolean> {
  using checkpoint = await openCheckpoint(await findWeights(path) ?? path);
  return deltaAbout(checkpoint) !== null;
}
