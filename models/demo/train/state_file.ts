/** Training on disk: all that is needed to go on as if nothing had happened. */
import { type Checkpoint, openCheckpoint, writeSafetensors } from "../../../lib/checkpoint/mod.ts";
import { CheckpointError } from "../../../lib/errors.ts";
import type { TrainState, Values } from "./values.ts";

/** What training goes by: with the same settings and state it goes the same way. */
export interface Settings {
  /** Steps of the main training; short ones come before. */
  readonly steps: number;
  /** Samples a step. */
  readonly batch: number;
  readonly seed: number;
}

const FORMAT = "demo-train";

/** Writes the state, all of it or nothing. `part` says what is trained. */
export async function writeState(
  path: string,
  part: string,
  settings: Settings,
  { step, tensors }: TrainState,
): Promise<void> {
  await writeSafetensors(path, tensors, {
    "nada.format": FORMAT,
    "nada.part": part,
    "nada.step": String(step),
    "nada.settings": JSON.stringify(settings),
  });
}

/** Reads it back. Throws a CheckpointError where the file is not the state of that part. */
export async function readState(
  path: string,
  part: string,
): Promise<{ settings: Settings; state: TrainState }> {
  using checkpoint = await openCheckpoint(path);
  const { metadata } = checkpoint;
  if (metadata["nada.format"] !== FORMAT || metadata["nada.part"] !== part) {
    throw new CheckpointError(
      `Cannot go on with "${path}": it is not the state of a training of the demo ${part}; name ` +
        `the folder of one with --out`,
    );
  }
  const tensors = new Map<string, Values>();
  for (const [name, tensor] of checkpoint.tensors) {
    tensors.set(name, { shape: tensor.shape, data: await tensor.read() });
  }
  const step = Number(metadata["nada.step"]);
  return { settings: readSettings(checkpoint), state: { step, tensors } };
}

function readSettings({ file, metadata }: Checkpoint): Settings {
  const { steps, batch, seed } = JSON.parse(metadata["nada.settings"] ?? "{}");
  if ([steps, batch, seed].every(Number.isInteger)) return { steps, batch, seed };
  throw new CheckpointError(
    `Cannot go on with "${file}": its settings are ${metadata["nada.settings"]}; steps, batch ` +
      `and seed were expected; start again in another folder`,
  );
}
