/** Runs of made-up generators that take a moment, and what they leave. */
import { openCheckpoint, writeSafetensors } from "../../../lib/checkpoint/mod.ts";
import {
  adapt,
  ADAPT_DEFAULTS,
  type AdaptOptions,
  readInputs,
  readRun,
  resume,
} from "../../../models/nada/adapt.ts";
import type { LogEntry } from "../../../models/nada/run_folder.ts";
import { testGpu } from "../../gpu.ts";
import { writeTiny } from "../clip/tiny.ts";
import { madeUpTensors, type Tensors } from "../stylegan2/made_up.ts";

/** Options of a run with a generator of these tensors, a tiny CLIP and one template, in `folder`. */
export async function tinyRun(
  folder: { file(name: string): string },
  tensors: Tensors,
): Promise<AdaptOptions> {
  const generator = folder.file("base.safetensors");
  await writeSafetensors(generator, tensors);
  const templates = folder.file("templates.txt");
  await Deno.writeTextFile(templates, "{}\n");
  return {
    ...ADAPT_DEFAULTS,
    generator,
    clips: [{ path: await writeTiny(folder.file("clip.safetensors")), weight: 1 }],
    source: "a",
    targets: [{ text: "b", weight: 1 }],
    steps: 5,
    sampleEvery: 2,
    templates,
    partTemplates: templates,
  };
}

/** Sizes of a StyleGAN2 generator of 8x8. */
export const GENERATOR = { zSize: 6, wSize: 5, mappingDepth: 2, channels: [7, 5] };

/** A choice of layers. */
export const AUTO = { count: 2, iterations: 2, batch: 3, every: 2 };

/** Options of a run with such a generator, whose files are written to `folder`. */
export const files = (folder: { file(name: string): string }): Promise<AdaptOptions> =>
  tinyRun(folder, madeUpTensors(GENERATOR, 3));

type Result = ReturnType<typeof adapt>;

const NEVER = new AbortController().signal;

/** A new run to its end, or until `events` or `signal` stop it. */
export async function adaptTo(
  out: string,
  options: AdaptOptions,
  events: Parameters<typeof adapt>[3] = {},
  signal = NEVER,
): Result {
  return await adapt(await testGpu(), out, await readInputs(options), events, signal);
}

/** A run that was stopped, to its end or that of `steps`. */
export async function resumeAt(path: string, steps: number | null): Result {
  return await resume(await testGpu(), await readRun(path, steps), {}, NEVER);
}

export const readLog = (file: string): LogEntry[] =>
  Deno.readTextFileSync(file).trimEnd().split("\n").map((line) => JSON.parse(line));

/** Every tensor of a file. */
export async function tensorsIn(file: string): Promise<Map<string, Float32Array<ArrayBuffer>>> {
  using checkpoint = await openCheckpoint(file);
  const values = await Promise.all(checkpoint.tensors.values().map((tensor) => tensor.read()));
  return new Map([...checkpoint.tensors.keys()].map((name, i) => [name, values[i]!]));
}
