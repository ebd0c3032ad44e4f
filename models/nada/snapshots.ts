/**
 * Snapshots of a run: what had changed of the base by then, as differences in half precision. The
 * differences are small, so that in f16 they lose no more than the sum of base and difference does
 * in f32.
 *
 *     nada.format        "snapshot"
 *     nada.step          steps done
 *     nada.base.sha256   of the base checkpoint
 */
import { basename, join } from "node:path";
import { openCheckpoint, type TensorData, writeSafetensors } from "../../lib/checkpoint/mod.ts";
import { UserError } from "../../lib/errors.ts";
import type { HostTensor, StoredTensor } from "../generator/generator.ts";
import { writeDelta } from "./delta.ts";
import { loadGenerator } from "./generator_file.ts";
import type { AdaptOptions } from "./options.ts";
import { RunFolder } from "./run_folder.ts";
import { storedTensors } from "./stored_tensors.ts";

const FOLDER = "snapshots";

/** The file of a step's snapshot below the run's folder. */
export function snapshotFile(step: number): string {
  return `${FOLDER}/step_${String(step).padStart(4, "0")}.safetensors`;
}

/** Writes the snapshot of a step; `changed` holds the new values. */
export async function writeSnapshot(
  folder: RunFolder,
  step: number,
  { base, changed, baseSha256 }: {
    base: ReadonlyMap<string, StoredTensor>;
    changed: ReadonlyMap<string, HostTensor>;
    baseSha256: string;
  },
): Promise<void> {
  await Deno.mkdir(folder.file(FOLDER), { recursive: true });
  const differences: [string, TensorData][] = [];
  for (const [name, { shape, data }] of changed) {
    const old = await base.get(name)!.read();
    differences.push([
      name,
      { shape, data: Float16Array.from(data, (value, i) => value - old[i]!) },
    ]);
  }
  await writeSafetensors(folder.file(snapshotFile(step)), differences, {
    "nada.format": "snapshot",
    "nada.step": String(step),
    "nada.base.sha256": baseSha256,
  });
}

/** Steps of the snapshots that a run has kept, in order. */
export async function snapshotSteps(path: string): Promise<number[]> {
  const entries = await Array.fromAsync(Deno.readDir(join(path, FOLDER))).catch(() => []);
  return entries.map(({ name }) => Number(/^step_(\d+)\.safetensors$/.exec(name)?.[1] ?? NaN))
    .filter(Number.isInteger).sort((a, b) => a - b);
}

/** Makes the snapshot of a step the run's result. Returns the delta's path. */
export async function pickSnapshot(path: string, step: number): Promise<string> {
  const { folder, config } = await RunFolder.open(path);
  const steps = await snapshotSteps(path);
  if (!steps.includes(step)) {
    const kept = steps.length === 0
      ? "it has none; adapt with --snapshots N to keep some"
      : `it has those of the steps ${steps.join(", ")}`;
    throw new UserError(
      `Cannot pick step ${step} of "${path}": there is no snapshot of it, ${kept}`,
    );
  }
  const { options } = config as { options: Pick<AdaptOptions, "generator" | "classIndex"> };
  const { weights, sha256 } = await loadGenerator(options.generator, options.classIndex);
  using checkpoint = await openCheckpoint(folder.file(snapshotFile(step)));
  if (checkpoint.metadata["nada.base.sha256"] !== sha256) {
    throw new UserError(
      `Cannot pick step ${step} of "${path}": "${options.generator}" is not the file that the run ` +
        `began with`,
    );
  }
  const base = storedTensors(weights);
  const changed = new Map<string, HostTensor>();
  for (const [name, { shape, read }] of checkpoint.tensors) {
    const difference = await read();
    const old = await base.get(name)!.read();
    changed.set(name, {
      shape,
      data: Float32Array.from(old, (value, i) => value + difference[i]!),
    });
  }
  const delta = folder.file("adapted.safetensors");
  const about = { file: basename(options.generator), sha256, classIndex: options.classIndex };
  await writeDelta(delta, changed, { base: about, config: { ...config as object, picked: step } });
  return delta;
}
