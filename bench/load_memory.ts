/**
 * Memory and time of putting a model on the device, for a made-up CLIP of the shapes of ViT-B/32, or
 * for any CLIP or generator that is there:
 *
 *     deno run -P bench/load_memory.ts safetensors|bin f16|f32
 *     deno run -P bench/load_memory.ts FILE|FOLDER
 *
 * On a software adapter the device's copy is memory of the process; what is above it is told apart.
 */
import { join } from "node:path";
import { type TensorData, writeSafetensors, writeTorch } from "../lib/checkpoint/mod.ts";
import { Gpu } from "../lib/gpu/device.ts";
import { builtInModels } from "../models/catalog.ts";
import { Clip } from "../models/clip/mod.ts";
import { LOGIT_SCALE, towerPlaces } from "../models/clip/names.ts";
import { disposeGenerator, uploadGenerator } from "../models/generator/device.ts";
import { loadGenerator } from "../models/nada/generator_file.ts";
import { inspectFile } from "../models/recognise.ts";

const IMAGE = { width: 768, hidden: 3072, positions: 50, features: 512, patch: 32 };
const TEXT = { width: 512, hidden: 2048, positions: 77, features: 512, vocabulary: 49408 };
const BLOCKS = 12;

/** ViT-B/32 of small made-up numbers, under OpenAI's names. */
function madeUp(isHalf: boolean): Map<string, TensorData> {
  const tensors = new Map<string, TensorData>();
  const add = (name: string, shape: number[]) => {
    const count = shape.reduce((product, size) => product * size, 1);
    const data = isHalf ? new Float16Array(count) : new Float32Array(count);
    for (let i = 0; i < count; i++) data[i] = 0.02 * Math.sin(i);
    tensors.set(name, { shape, data });
  };
  for (const [tower, sizes] of [["image", IMAGE], ["text", TEXT]] as const) {
    const sizeOf = (factor: string) => (sizes as Record<string, number>)[factor] ?? Number(factor);
    for (const { parts } of towerPlaces("openai", tower, BLOCKS)) {
      for (const { name, shape } of parts) {
        add(name, shape.map((axis) => axis.split("*").reduce((n, f) => n * sizeOf(f), 1)));
      }
    }
  }
  add(LOGIT_SCALE, []);
  return tensors;
}

async function write(kind: string, isHalf: boolean, folder: string): Promise<string> {
  const path = join(folder, `clip.${kind}`);
  if (kind === "safetensors") await writeSafetensors(path, madeUp(isHalf));
  else await writeTorch(path, madeUp(isHalf));
  return path;
}

/** What is put on the device, in the order in which a run does it. */
type Loads = Record<string, (gpu: Gpu) => Promise<unknown>>;

function loadsOfClip(path: string): Loads & AsyncDisposable {
  let clip: Clip | undefined;
  return {
    "image tower": async (gpu) => await (clip = await Clip.open(gpu, path)).imageState(),
    "a text": async () => await clip!.encodeTexts(["a photo of a cat"]),
    [Symbol.asyncDispose]: () => Promise.resolve(clip?.dispose()),
  };
}

function loadsOfGenerator(path: string): Loads & AsyncDisposable {
  let generator: Awaited<ReturnType<typeof uploadGenerator>> | undefined;
  return {
    async generator(gpu) {
      const { weights } = await loadGenerator(path);
      generator = await uploadGenerator(gpu, weights);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(generator && disposeGenerator(generator)),
  };
}

async function measure(path: string): Promise<void> {
  const { contents } = await inspectFile(path);
  const [loadsOf, builtIn] = contents.kind === "clip"
    ? [loadsOfClip, builtInModels().clips.demo!]
    : [loadsOfGenerator, builtInModels().generators.demo!];
  const gpu = await Gpu.open();
  // Code and kernels that every run needs are no cost of this model.
  {
    await using warm = loadsOf(builtIn);
    for (const load of Object.values(warm)) await load(gpu);
  }

  const rss = () => Deno.memoryUsage().rss;
  const [before, onDevice] = [rss(), gpu.allocated.bytes];
  let most = 0;
  const write = gpu.write.bind(gpu);
  gpu.write = (range, data) => {
    write(range, data);
    most = Math.max(most, rss() - before - (gpu.allocated.bytes - onDevice));
  };
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  {
    await using loads = loadsOf(path);
    for (const [what, load] of Object.entries(loads)) {
      const start = performance.now();
      await load(gpu);
      const seconds = ((performance.now() - start) / 1000).toFixed(2);
      const copy = mib(gpu.allocated.bytes - onDevice);
      console.log(`${what}: ${seconds} s, ${copy} on the device, at most ${mib(most)} beside it`);
    }
  }
  gpu.close();
}

if (import.meta.main) {
  const [kind = "safetensors", type = "f16"] = Deno.args;
  if (kind !== "safetensors" && kind !== "bin") await measure(kind);
  else {
    const folder = await Deno.makeTempDir();
    try {
      await measure(await write(kind, type === "f16", folder));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }
  Deno.exit(0); // as in main.ts
}
