/** Runs of made-up generators that take a moment, and what they leave. */
import { openCheckpoint, writeSafetensors } from "../../../lib/checkpoint/mod.ts";
import { ADAPT_DEFAULTS, type AdaptOptions } from "../../../models/nada/adapt.ts";
import type { LogEntry } from "../../../models/nada/run_folder.ts";
import { writeTiny } from "../clip/tiny.ts";
import type { Tensors } from "../stylegan2/made_up.ts";

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

export const readLog = (file: string): LogEntry[] =>
  Deno.readTextFileSync(file).trimEnd().split("\n").map((line) => JSON.parse(line));

/** Every tensor of a file. */
export async function tensorsIn(file: string): Promise<Map<string, Float32Array<ArrayBuffer>>> {
  using checkpoint = await openCheckpoint(file);
  const values = await Promise.all(checkpoint.tensors.values().map((tensor) => tensor.read()));
  return new Map([...checkpoint.tensors.keys()].map((name, i) => [name, values[i]!]));
}
