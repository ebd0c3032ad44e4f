import assert from "node:assert/strict";
import { DoesNotFitError } from "../../../lib/errors.ts";
import { numel, type Shape } from "../../../lib/graph/tensor.ts";
import { LOGIT_SCALE, towerPlaces } from "../../../models/clip/names.ts";
import { ADAPT_DEFAULTS, type AdaptOptions, readInputs } from "../../../models/nada/adapt.ts";
import { fittingRun, runCost } from "../../../models/nada/cost.ts";
import { prepare } from "../../../models/nada/prepare.ts";
import {
  architecture,
  kernelNames,
  noiseShapes,
  parameterShapes,
} from "../../../models/stylegan2/architecture.ts";
import { testGpu } from "../../gpu.ts";
import { temporaryFolder } from "../../temporary.ts";
import { madeUpTensors } from "../stylegan2/made_up.ts";
import { tinyRun } from "./tiny_run.ts";

const TINY = { zSize: 6, wSize: 5, mappingDepth: 2, channels: [7, 5, 4] };

const CHOICE = { count: 1, iterations: 1, batch: 3, every: 1 };

Deno.test("runCost() foresees what the device holds while it trains, and chooses layers", async () => {
  using folder = temporaryFolder();
  const gpu = await testGpu();
  const options = { ...await tinyRun(folder, madeUpTensors(TINY, 1)), autoLayers: CHOICE };
  const { step, memory } = await runCost(options, gpu);
  const before = gpu.allocated.bytes;
  using _models = await prepare(gpu, await readInputs(options));
  const held = gpu.allocated.bytes - before;
  // Beside that, parameters of the kernels and tables for resizing, which grow with no model.
  const rest = held - memory.generators - memory.clips - memory.step - memory.choice -
    256 * step.dispatches;
  assert(rest >= 0 && rest < 0.1 * held, `${rest} of ${held} bytes were not foreseen`);
});

Deno.test("fittingRun() computes maps again before it refuses, and names a batch that fits", async () => {
  using folder = temporaryFolder();
  const gpu = await testGpu();
  // Maps of a MiB and more, as smaller ones are always kept.
  const large = { ...TINY, channels: [4, 4, 4, 4, 16] };
  const given = { ...await tinyRun(folder, madeUpTensors(large, 1)), batch: 9 };
  const peak = async (batch: number, checkpointActivations: boolean) =>
    (await runCost({ ...given, batch, checkpointActivations }, gpu)).memory.peak;
  const fits = (bytes: number) => fittingRun(given, gpu, () => bytes);
  assert(await peak(9, true) < await peak(9, false));
  assert.deepEqual(await fits(await peak(9, false)), {
    options: given,
    notes: [],
  });
  const { options, notes } = await fits(await peak(9, true));
  assert(options.checkpointActivations);
  assert.match(notes.join(), /^Memory is short/);
  const refused = async (bytes: number, message: RegExp) => {
    const error = await fits(bytes).catch((error) => error);
    assert(error instanceof DoesNotFitError, `${error}`);
    const [, batch] = message.exec(error.message) ?? assert.fail(error.message);
    return Number(batch);
  };
  for (const wanted of [1, 2, 5, 8]) {
    const bytes = await peak(wanted, true);
    const named = await refused(
      bytes,
      /^Cannot adapt at batch 9: .* can be had; batch (\d) takes /,
    );
    assert(await peak(named, true) <= bytes, `batch ${named}`);
  }
  await refused(1000, /, and no smaller batch takes less than .*; free some memory/);
});

/** Writes a safetensors file that says what it holds; the values take no space. */
async function writeShapes(path: string, shapes: ReadonlyMap<string, Shape>): Promise<string> {
  let end = 0;
  const header = JSON.stringify(Object.fromEntries(
    [...shapes].map(([name, shape]) => {
      const start = end;
      end += 4 * numel(shape);
      return [name, { dtype: "F32", shape, data_offsets: [start, end] }];
    }),
  ));
  const bytes = new TextEncoder().encode(header);
  const length = new BigUint64Array([BigInt(bytes.length)]);
  await Deno.writeFile(path, new Uint8Array([...new Uint8Array(length.buffer), ...bytes]));
  await Deno.truncate(path, 8 + bytes.length + end);
  return path;
}

/** Shapes of OpenAI's ViT-B with patches of so many pixels. */
function vitShapes(patch: number): Map<string, Shape> {
  const positions = (224 / patch) ** 2 + 1;
  const sizes = {
    image: { width: 768, hidden: 3072, positions, patch, features: 512 },
    text: { width: 512, hidden: 2048, positions: 77, vocabulary: 49408, features: 512 },
  };
  const shapes = new Map<string, Shape>([[LOGIT_SCALE, []]]);
  for (const tower of ["image", "text"] as const) {
    const known: Record<string, number> = sizes[tower];
    const sizeOf = (axis: string) =>
      axis.split("*").reduce((size, factor) => size * (known[factor] ?? Number(factor)), 1);
    for (const { parts } of towerPlaces("openai", tower, 12)) {
      for (const { name, shape } of parts) shapes.set(name, shape.map(sizeOf));
    }
  }
  return shapes;
}

/** Options of a run with StyleGAN2's largest generator and two of OpenAI's CLIP models. */
async function largeRun(folder: { file(name: string): string }): Promise<AdaptOptions> {
  const channels = [512, 512, 512, 512, 512, 256, 128, 64, 32];
  const a = architecture({ zSize: 512, wSize: 512, mappingDepth: 8, channels });
  const generator = new Map([
    ...parameterShapes(a),
    ...noiseShapes(a),
    ...kernelNames(a).map((name): [string, Shape] => [name, [4, 4]]),
    ["latent_avg", [512]],
  ]);
  const clips = await Promise.all([32, 16].map(async (patch) => ({
    path: await writeShapes(folder.file(`ViT-B-${patch}.safetensors`), vitShapes(patch)),
    weight: 1,
  })));
  return {
    ...ADAPT_DEFAULTS,
    generator: await writeShapes(folder.file("config-f.safetensors"), generator),
    clips,
    source: "photo",
    targets: [{ text: "sketch", weight: 1 }],
  };
}

const LIMITS = {
  bindingBytes: 2 ** 27,
  bufferBytes: 2 ** 31,
  storageBuffers: 16,
  workgroupBytes: 49152,
};

for (const kind of ["cpu", "gpu"] as const) {
  Deno.test(`a step at 1024x1024 with two CLIP models fits 4 GB, and bindings of 128 MiB, ${kind} kernels`, async () => {
    using folder = temporaryFolder();
    const options = await largeRun(folder);
    const limits = { ...LIMITS, joinsLaunches: kind === "gpu" };
    const { step, memory } = await runCost(options, { kind, limits });
    assert(step.bindingBytes <= 2 ** 27);
    assert(memory.peak <= 4e9, `${memory.peak} bytes`);
    // 74.3 GMAC an image in the generator: forward twice, backward for images and weights. 51.5 of them
    // are of 3x3 at stride 1, for which GPUs take 4 of 9 products, but for those of the weights.
    const fewer = kind === "gpu" ? 3 * 51.5e9 * 5 / 9 : 0;
    const least = 2 * 2 * (4 * 74.3e9 - fewer);
    assert(step.operations > least && step.operations < 1.6e12, `${step.operations}`);
    assert(step.dispatches <= (kind === "gpu" ? 500 : 1540), `${step.dispatches} dispatches`);
    const wide = { ...limits, bindingBytes: 2 ** 31 - 4, bufferBytes: 2 ** 32 };
    const large = await runCost(options, { kind, limits: wide });
    assert(large.memory.peak <= 4e9, `${large.memory.peak} bytes`);
    assert(large.step.dispatches <= (kind === "gpu" ? 450 : 1480), `${large.step.dispatches}`);
    const saving = { ...options, checkpointActivations: true };
    const saved = (await runCost(saving, { kind, limits })).memory.peak;
    assert(saved < 3e9, `${saved} bytes`);
  });
}
