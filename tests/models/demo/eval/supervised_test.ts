import assert from "node:assert/strict";
import { draw } from "../../../../models/demo/eval/draw.ts";
import { trainSupervised } from "../../../../models/demo/eval/supervised.ts";
import { truth } from "../../../../models/demo/world/mod.ts";
import { generatorPath } from "../../../../models/catalog.ts";
import { loadGenerator } from "../../../../models/nada/generator_file.ts";
import { generatorOf } from "../../../../models/generator/families.ts";
import { disposeGenerator, uploadGenerator } from "../../../../models/generator/device.ts";
import { latentFromSeed } from "../../../../models/generator/latents.ts";
import { testGpu } from "../../../gpu.ts";

Deno.test("trainSupervised() takes the generator's pictures towards the true ones", async () => {
  const gpu = await testGpu();
  const { weights } = await loadGenerator(generatorPath("demo"));
  const generator = await uploadGenerator(gpu, weights);
  const z = latentFromSeed(9200, 64);
  const wanted = truth(z, "night").data;
  const error = async () => {
    const [picture] = await draw(gpu, generator, z);
    return picture!.data.reduce((sum, value, i) => sum + Math.abs(value - wanted[i]!), 0);
  };
  try {
    const before = await error();
    const losses: number[] = [];
    await trainSupervised(gpu, generator, {
      style: "night",
      layers: generatorOf(weights.architecture).defaultLayers,
      trainParams: "shift",
      steps: 8,
      batch: 1,
      lr: 0.06,
      lrSchedule: "constant",
      seed: 9201,
      onStep: (loss) => losses.push(loss),
    });
    assert.equal(losses.length, 8);
    assert.ok(losses.at(-1)! < 0.8 * losses[0]!, losses.join(" "));
    assert.ok(await error() < 0.8 * before);
  } finally {
    disposeGenerator(generator);
  }
});
