import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { openCheckpoint } from "../../../lib/checkpoint/mod.ts";
import { truth } from "../../../models/demo/world/mod.ts";
import { disposeGenerator, uploadGenerator } from "../../../models/generator/device.ts";
import { latentsFromSeeds } from "../../../models/generator/latents.ts";
import { Sampler } from "../../../models/generator/sampler.ts";
import { readGenerator } from "../../../models/stylegan2/weights.ts";
import { testGpu } from "../../gpu.ts";

const WEIGHTS = fileURLToPath(
  new URL("../../../models/demo/generator.safetensors", import.meta.url),
);

/** Neither in the training set (seed 1 of one long stream) nor chosen. */
const SEEDS = [9000, 9001, 9002, 9003, 9004, 9005];

Deno.test("The demo generator draws the true photo of latents it has not seen, to 30 dB", async () => {
  using checkpoint = await openCheckpoint(WEIGHTS);
  const generator = await uploadGenerator(await testGpu(), await readGenerator(checkpoint));
  const { architecture: a } = generator;
  assert.equal(a.resolution, 64);
  assert.deepEqual(a.channels, [128, 128, 96, 64, 32]);

  const sampler = await Sampler.create(await testGpu(), generator, { batch: 2 });
  const z = latentsFromSeeds(SEEDS, a.zSize);
  const { images } = await sampler.sample({ z });
  let total = 0;
  SEEDS.forEach((_, n) => {
    const { data } = truth(z.subarray(n * a.zSize, (n + 1) * a.zSize), "photo");
    const own = images.subarray(n * data.length, (n + 1) * data.length);
    data.forEach((value, i) => total += (Math.min(1, Math.max(0, (own[i]! + 1) / 2)) - value) ** 2);
  });
  const psnr = -10 * Math.log10(total / images.length);
  assert.ok(psnr > 30, `${psnr.toFixed(1)} dB`);
  sampler.dispose();
  disposeGenerator(generator);
});
