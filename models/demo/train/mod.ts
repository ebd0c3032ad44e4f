/** Trains the demo's models with nada's own engine, from nothing: parts, and their files in a folder. */
import { join } from "node:path";
import { writeSafetensors } from "../../../lib/checkpoint/mod.ts";
import { UserError } from "../../../lib/errors.ts";
import type { Gpu } from "../../../lib/gpu/device.ts";
import { CLIP_SETTINGS, clipPart } from "./clip.ts";
import { GENERATOR_SETTINGS, generatorPart, trainedGenerator } from "./generator.ts";
import type { FixedGenerator } from "./generator_weights.ts";
import { type Part, run, stepCount, type StepEvent } from "./run.ts";
import { readState, type Settings, writeState } from "./state_file.ts";

export type { StepEvent } from "./run.ts";

interface Kind {
  readonly defaults: Settings;
  /** For states and models in that folder. */
  create(settings: Settings, folder: string): Promise<Part>;
}

const KINDS = {
  generator: {
    defaults: GENERATOR_SETTINGS,
    create: (settings) => Promise.resolve(generatorPart(settings)),
  },
  clip: {
    defaults: CLIP_SETTINGS,
    create: async (settings, folder) => {
      const generator = await readTrained(folder);
      return clipPart(settings, () => Promise.resolve(generator));
    },
  },
} as const satisfies Record<string, Kind>;

/** The generator of that folder with its styles, which the CLIP's pictures come from. */
async function readTrained(folder: string): Promise<FixedGenerator> {
  const file = stateFile(folder, "generator");
  const known = await isThere(file) ? await readState(file, "generator") : null;
  const generator = known && trainedGenerator(known.settings, known.state);
  if (generator) return generator;
  throw new UserError(
    `Cannot train the clip in "${folder}": its pictures come from the generator with its styles, and ` +
      `"${file}" is ${known ? "not trained to its end" : "not there"}; train it first, with ` +
      `deno task demo:train generator --out ${folder}${known ? " --resume" : ""}`,
  );
}

const stateFile = (folder: string, part: string) => join(folder, `${part}.state.safetensors`);

export type PartName = keyof typeof KINDS;

export const PART_NAMES = Object.keys(KINDS) as PartName[];

export interface TrainRequest {
  readonly part: PartName;
  /** Where the state, "<part>.state.safetensors", and the model, "<part>.safetensors", go. */
  readonly folder: string;
  /** Instead of the usual settings. */
  readonly settings: Partial<Settings>;
  /** Goes on with the state in the folder, by the settings that it began with. */
  readonly resume: boolean;
}

export interface TrainEvents {
  /** Called when all is ready: steps in all and done. */
  onStart?(steps: number, done: number): void;
  onStep?(event: StepEvent): void;
  readonly signal?: AbortSignal;
}

/**
 * Trains a part to its end or until told to stop. Returns the model's file, null if it stopped
 * before.
 *
 * Throws a UserError where the folder holds a state already, or none to go on with, or, for the CLIP,
 * no trained generator.
 */
export async function train(
  gpu: Gpu,
  { part: name, folder, settings: wanted, resume }: TrainRequest,
  { onStart, onStep, signal }: TrainEvents = {},
): Promise<string | null> {
  const file = stateFile(folder, name);
  const before = resume ? await readState(file, name) : null;
  if (!before && await isThere(file)) {
    throw new UserError(
      `Cannot train into "${folder}": it has "${file}" from before; go on with --resume, or ` +
        `name another folder with --out`,
    );
  }
  const settings = before?.settings ?? { ...KINDS[name].defaults, ...wanted };
  const part = await KINDS[name].create(settings, folder);
  let state = before?.state ?? part.start();
  await Deno.mkdir(folder, { recursive: true });
  onStart?.(stepCount(part), state.step);
  state = await run(gpu, part, state, {
    ...(onStep && { onStep }),
    ...(signal && { signal }),
    save: (current) => writeState(file, name, settings, current),
  });
  if (state.step < stepCount(part)) return null;
  const { tensors, metadata } = await part.export(gpu, state);
  const model = join(folder, `${name}.safetensors`);
  await writeSafetensors(model, tensors, metadata);
  return model;
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw new UserError(`Cannot read "${path}": ${(error as Error).message}`, { cause: error });
  }
}
