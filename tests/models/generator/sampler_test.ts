import assert from "node:assert/strict";
import { openCheckpoint } from "../../../lib/checkpoint/mod.ts";
import { UserError } from "../../../lib/errors.ts";
import {
  type DeviceGenerator,
  disposeGenerator,
  readParameters,
  uploadGenerator,
} from "../../../models/generator/device.ts";
import { latentsFromSeeds } from "../../../models/generator/latents.ts";
import { Sampler } from "../../../models/generator/sampler.ts";
import { readGenerator } from "../../../models/stylegan2/weights.ts";
import { assertClose } from "../../assert.ts";
import { fixture, fixturePath, hasFixtures } from "../../fixtures.ts";
import { testGpu } from "../../gpu.ts";
import { asSource, madeUpTensors, referenceImage, type Tensors } from "../stylegan2/made_up.ts";

// As in the tests of the generator.
const FORWARD = 2e-6;
const DIMENSIONS = { zSize: 6, wSize: 5, mappingDepth: 2, channels: [7, 5] };

async function upload(tensors: Tensors): Promise<DeviceGenerator> {
  return uploadGenerator(await testGpu(), await readGenerator(asSource(tensors)));
}

Deno.test({
  name: "Sampler gives the images of the original code for z, w, w+, truncation and mixing",
  ignore: !hasFixtures,
  async fn() {
    using checkpoint = await openCheckpoint(fixturePath("stylegan2/generator_32.pt"));
    const generator = await uploadGenerator(await testGpu(), await readGenerator(checkpoint));
    const expected = await fixture("stylegan2/forward_32.safetensors");
    const data = (name: string) => expected[name]!.data;
    // Three rows in batches of two: the last batch is filled up.
    const sampler = await Sampler.create(await testGpu(), generator, { batch: 2 });
    const close = (actual: Float32Array, name: string) =>
      assertClose(actual, data(name), FORWARD, name);

    const fromZ = await sampler.sample({ z: data("input.z") });
    assert.equal(fromZ.count, 3);
    close(fromZ.w!, "w");
    close(fromZ.wPlus, "w_plus");
    close(fromZ.images, "image");
    const fromW = await sampler.sample({ w: data("w") });
    assert.deepEqual(fromW.w, data("w"));
    close(fromW.images, "image");
    const truncated = await sampler.sample({ z: data("input.z") }, { psi: 0.7 });
    close(truncated.w!, "w");
    close(truncated.images, "image_truncated_0.7");
    const fromWPlus = await sampler.sample({ wPlus: data("input.wplus_input") });
    assert.equal(fromWPlus.w, null);
    assert.deepEqual(fromWPlus.wPlus, data("input.wplus_input"));
    close(fromWPlus.images, "image_from_wplus");
    const mix = { latents: { z: data("input.z2") }, crossover: 3 };
    const mixed = await sampler.sample({ z: data("input.z") }, { mix });
    close(mixed.wPlus, "mixing.w_plus");
    close(mixed.images, "mixing.image");
    sampler.dispose();
    disposeGenerator(generator);
  },
});

Deno.test({
  name: "Sampler in f16 gives the images of the original code, but for what is rounded",
  ignore: !hasFixtures || (await testGpu()).limits.halves !== true,
  async fn() {
    using checkpoint = await openCheckpoint(fixturePath("stylegan2/generator_32.pt"));
    const generator = await uploadGenerator(await testGpu(), await readGenerator(checkpoint));
    const expected = await fixture("stylegan2/forward_32.safetensors");
    const options = { batch: 3, precision: "f16" } as const;
    const sampler = await Sampler.create(await testGpu(), generator, options);
    const { w, images } = await sampler.sample({ z: expected["input.z"]!.data });
    assertClose(w!, expected["w"]!.data, FORWARD, "w");
    // Each layer rounds its maps to 11 bits.
    const error = assertClose(images, expected["image"]!.data, 1e-2, "images");
    assert(error > 10 * FORWARD, `${error}: nothing was rounded`);
    console.log(`images in f16: ${error.toExponential(1)}`);
    sampler.dispose();
    disposeGenerator(generator);
  },
});

Deno.test("Sampler leaves nothing on the device when it and the generator are disposed of", async () => {
  const gpu = await testGpu();
  const before = gpu.allocated.bytes;
  const generator = await upload(madeUpTensors(DIMENSIONS, 1));
  const sampler = await Sampler.create(gpu, generator, { batch: 1 });
  assert(gpu.allocated.bytes > before);
  sampler.dispose();
  disposeGenerator(generator);
  assert.equal(gpu.allocated.bytes, before);
});

Deno.test("Sampler with random noise repeats itself for a seed, parts for another and within a batch", async () => {
  const gpu = await testGpu();
  const generator = await upload(madeUpTensors(DIMENSIONS, 1));
  const sampler = await Sampler.create(gpu, generator, { batch: 2, noise: "random" });
  const latents = { z: latentsFromSeeds([5, 5, 5], 6) };
  const { images } = await sampler.sample(latents, { noiseSeed: 1 });
  assert.deepEqual((await sampler.sample(latents, { noiseSeed: 1 })).images, images);
  assert.notDeepEqual((await sampler.sample(latents, { noiseSeed: 2 })).images, images);
  const [first, second, third] = [0, 1, 2].map((i) => images.slice(i * 192, (i + 1) * 192));
  assert.notDeepEqual(first, second);
  assert.notDeepEqual(first, third);
});

Deno.test("Sampler without noise gives what a generator of no noise strength gives", async () => {
  const gpu = await testGpu();
  const tensors = madeUpTensors(DIMENSIONS, 1);
  const generator = await upload(tensors);
  const sampler = await Sampler.create(gpu, generator, { batch: 1, noise: "none" });
  const z = latentsFromSeeds([8], 6);
  for (const [name, { data }] of tensors) if (name.endsWith("noise.weight")) data.fill(0);
  const expected = referenceImage(tensors, DIMENSIONS, z).image;
  assertClose((await sampler.sample({ z })).images, expected, FORWARD);
});

Deno.test("uploadGenerator() draws fixed noise and estimates the mean w where the checkpoint has none", async () => {
  const tensors = madeUpTensors(DIMENSIONS, 1);
  for (const name of tensors.keys()) if (name.startsWith("noises")) tensors.delete(name);
  const [one, two] = [await upload(tensors), await upload(tensors)];
  for (const name of ["noises.noise_2", "latent_avg"]) {
    assert.deepEqual(await one.tensors[name]!.read(), await two.tensors[name]!.read());
  }
  const noise = await one.tensors["noises.noise_2"]!.read();
  const variance = noise.reduce((sum, x) => sum + x * x, 0) / noise.length;
  assert(variance > 0.6 && variance < 1.5, `variance ${variance} of 64 normal numbers`);

  // 256 other samples have the same mean but for chance: 4 standard errors.
  const sampler = await Sampler.create(await testGpu(), one, { batch: 256 });
  const { w } = await sampler.sample({ z: latentsFromSeeds([...Array(256).keys()], 6) });
  const mean = await one.tensors.latent_avg!.read();
  for (let k = 0; k < 5; k++) {
    const column = Array.from({ length: 256 }, (_, i) => w![i * 5 + k]!);
    const average = column.reduce((sum, x) => sum + x) / 256;
    const spread = Math.sqrt(column.reduce((sum, x) => sum + (x - average) ** 2, 0) / 256);
    assert(Math.abs(mean[k]! - average) < 4 * spread / 16, `mean ${mean[k]}, ${average} expected`);
  }
});

Deno.test("readParameters() gives back what was uploaded", async () => {
  const tensors = madeUpTensors(DIMENSIONS, 1);
  const parameters = await readParameters(await upload(tensors));
  for (const [name, value] of parameters) assert.deepEqual(value, tensors.get(name));
  assert(parameters.has("style.1.weight"));
});

Deno.test("Sampler names the first layer whose values are not finite", async () => {
  const tensors = madeUpTensors(DIMENSIONS, 1);
  tensors.get("convs.0.activate.bias")!.data.fill(3e38);
  const sampler = await Sampler.create(await testGpu(), await upload(tensors), { batch: 1 });
  await assert.rejects(
    sampler.sample({ z: latentsFromSeeds([1], 6) }),
    (error) => error instanceof UserError && /first in layer "convs\.0"/.test(error.message),
  );
});

Deno.test("Sampler refuses latents that are not whole rows, and mixing that does not fit", async () => {
  const sampler = await Sampler.create(
    await testGpu(),
    await upload(madeUpTensors(DIMENSIONS, 1)),
    {
      batch: 1,
    },
  );
  const z = latentsFromSeeds([1, 2], 6);
  const refused = (run: Promise<unknown>, message: RegExp) =>
    assert.rejects(run, (error) => error instanceof UserError && message.test(error.message));
  await refused(sampler.sample({ z: new Float32Array(7) }), /7 values of z: .* rows of 6/);
  await refused(sampler.sample({ w: new Float32Array(0) }), /0 values of w: .* rows of 5/);
  await refused(sampler.sample({ wPlus: new Float32Array(5) }), /5 values of w\+: .* rows of 20/);
  const mix = (count: number, crossover: number) => ({
    mix: { latents: { z: latentsFromSeeds(Array(count).fill(3), 6) }, crossover },
  });
  await refused(sampler.sample({ z }, mix(1, 2)), /mix 2 latents with 1/);
  await refused(sampler.sample({ z }, mix(2, 5)), /whole numbers from 0 to 4/);
});
