/** A checkpoint of full size, from its file to the device. */
import { openCheckpoint } from "../../lib/checkpoint/mod.ts";
import type { Gpu } from "../../lib/gpu/device.ts";
import { type Shape } from "../../lib/graph/tensor.ts";
import { disposeGenerator, uploadGenerator } from "../../models/generator/device.ts";
import { exportGenerator } from "../../models/generator/export.ts";
import { generatorOf, readGenerator } from "../../models/generator/families.ts";
import { madeUp } from "../case.ts";
import { configF, modelFilling } from "../models.ts";
import type { Opener, Subject } from "../subject.ts";

export function loadOpeners(gpu: Gpu): Opener[] {
  return [{ name: "config F at 1024, a .pt of 121 MB", open: () => loading(gpu) }];
}

async function loading(gpu: Gpu): Promise<Subject> {
  const folder = await Deno.makeTempDir({ prefix: "nada-bench-" });
  const path = `${folder}/generator.pt`;
  await writeCheckpoint(path);
  return {
    work: null,
    memoryBytes: null,
    peer: { work: { kind: "load", path }, tensors: [], read: false, result: null },
    async run() {
      const start = performance.now();
      using checkpoint = await openCheckpoint(path);
      const generator = await uploadGenerator(gpu, await readGenerator(checkpoint));
      await gpu.idle();
      const seconds = (performance.now() - start) / 1e3;
      disposeGenerator(generator);
      return seconds;
    },
    [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }),
  };
}

/** As rosinality's code writes it. */
async function writeCheckpoint(path: string): Promise<void> {
  const architecture = configF(1024);
  const { parameterShapes, fixedShapes } = generatorOf(architecture);
  const stored = (name: string, shape: Shape) => ({
    shape,
    read: () => Promise.resolve(madeUp({ name, shape, seed: 1, ...modelFilling(name, shape) })),
  });
  const all = (shapes: ReadonlyMap<string, Shape>) =>
    new Map(shapes.entries().map(([name, shape]) => [name, stored(name, shape)]));
  await exportGenerator(path, {
    architecture,
    parameters: all(parameterShapes),
    fixed: all(fixedShapes),
    latentAvg: stored("latent_avg", [architecture.wSize]),
  }, { format: "rosinality", about: { generator: "made up", generatorSha256: "" } });
}
