import assert from "node:assert/strict";
import { type Checkpoint, openCheckpoint } from "../../../lib/checkpoint/mod.ts";
import { CheckpointError } from "../../../lib/errors.ts";
import { temporaryFolder } from "../../temporary.ts";

/** Opens `bytes` as a file for the time that `use` takes. */
export async function withCheckpoint<T>(
  bytes: Uint8Array,
  use: (checkpoint: Checkpoint) => Promise<T>,
): Promise<T> {
  using folder = temporaryFolder();
  // The name says nothing: files are told apart by what they hold.
  const path = folder.file("file.bin");
  await Deno.writeFile(path, bytes);
  using checkpoint = await openCheckpoint(path);
  return await use(checkpoint);
}

/** All tensors of a file by name. */
export function readAll(bytes: Uint8Array): Promise<Record<string, number[]>> {
  return withCheckpoint(bytes, async ({ tensors }) => {
    const values: Record<string, number[]> = {};
    for (const [name, tensor] of tensors) values[name] = [...await tensor.read()];
    return values;
  });
}

/** Asserts that reading the whole file ends in one CheckpointError that says `reason`. */
export async function assertRefused(bytes: Uint8Array, reason: RegExp): Promise<void> {
  await assert.rejects(readAll(bytes), (error: Error) => {
    assert.ok(error instanceof CheckpointError, `${error.stack}`);
    assert.match(error.message, /^Cannot read "/);
    assert.match(error.message, reason);
    return true;
  });
}

/** All tensors of a file, or that it was refused; any other error than a CheckpointError fails. */
export async function readOrRefuse(
  bytes: Uint8Array,
  label: string,
): Promise<Record<string, number[]> | "refused"> {
  try {
    return await readAll(bytes);
  } catch (error) {
    assert.ok(error instanceof CheckpointError, `${label}: ${(error as Error).stack}`);
    return "refused";
  }
}
