import assert from "node:assert/strict";
import { openCheckpoint } from "../../../lib/checkpoint/mod.ts";
import { CheckpointError } from "../../../lib/errors.ts";
import {
  architecture,
  defaultTrainedLayers,
  layerParameters,
  parameterShapes,
} from "../../../models/stylegan2/architecture.ts";
import { readGenerator } from "../../../models/stylegan2/weights.ts";
import { fixture, fixturePath, hasFixtures } from "../../fixtures.ts";
import { allValues, valuesOf } from "../generator/values.ts";
import { asSource, madeUpTensors, type Tensors } from "./made_up.ts";

const ignore = !hasFixtures;
const DIMENSIONS = { zSize: 6, wSize: 5, mappingDepth: 2, channels: [7, 5, 3] };

for (const file of ["generator_32.pt", "generator_32.safetensors"]) {
  Deno.test({
    name: `readGenerator() reads dimensions and all values from ${file}`,
    ignore,
    async fn() {
      using checkpoint = await openCheckpoint(fixturePath(`stylegan2/${file}`));
      const weights = await readGenerator(checkpoint);
      assert.deepEqual(
        weights.architecture,
        architecture({ zSize: 32, wSize: 32, mappingDepth: 4, channels: [32, 32, 24, 16] }),
      );
      assert.equal(weights.architecture.resolution, 32);
      assert.equal(weights.architecture.wCount, 8);
      const expected = await fixture("stylegan2/generator_32.safetensors");
      for (const [name, tensor] of await allValues(weights.parameters)) {
        assert.deepEqual(tensor, expected[name], name);
      }
      for (const [name, { data }] of await allValues(weights.fixed)) {
        assert.deepEqual(data, expected[name]!.data, name);
      }
      assert.equal(weights.fixed.size, 7);
      assert.deepEqual(await valuesOf(weights.latentAvg!), expected.latent_avg);
    },
  });
}

Deno.test("readGenerator() reads odd dimensions, without mean, noise or filters", async () => {
  const tensors = madeUpTensors(DIMENSIONS, 1);
  for (const name of tensors.keys()) {
    if (/^noises|kernel$/.test(name)) tensors.delete(name);
  }
  const weights = await readGenerator(asSource(tensors));
  assert.deepEqual(weights.architecture, architecture(DIMENSIONS));
  assert.deepEqual(weights.fixed.get("noises.noise_1")!.shape, [1, 1, 8, 8]);
  assert.equal(weights.latentAvg, null);
  assert.deepEqual([...weights.parameters.keys()], [...tensors.keys()]);
});

Deno.test("readGenerator() takes g_ema out of a training checkpoint", async () => {
  const { tensors, file } = asSource(madeUpTensors(DIMENSIONS, 1), "g_ema.");
  const other = { shape: [1], read: () => Promise.resolve(new Float32Array(1)) };
  const training = new Map(tensors).set("g.input.input", other).set("d.convs.0.0.weight", other)
    .set("latent_avg", { shape: [1, 5], read: () => Promise.resolve(new Float32Array(5)) });
  const weights = await readGenerator({ file, tensors: training });
  assert.deepEqual(weights.architecture, architecture(DIMENSIONS));
  assert.deepEqual(weights.latentAvg!.shape, [5]);
});

/** Asserts that reading fails with a message after a change to a good checkpoint. */
async function refused(change: (tensors: Tensors) => void, message: RegExp): Promise<void> {
  const tensors = madeUpTensors(DIMENSIONS, 1);
  change(tensors);
  const readAll = async () => {
    const { parameters, fixed } = await readGenerator(asSource(tensors, "g_ema."));
    await allValues([...parameters, ...fixed]);
  };
  await assert.rejects(readAll, (error) => {
    assert(error instanceof CheckpointError);
    assert.match(error.message, /^Cannot load a generator from "made up": /);
    assert.match(error.message, message);
    return true;
  });
}

Deno.test("readGenerator() names a missing tensor and its shape", async () => {
  await refused(
    (t) => t.delete("convs.1.conv.weight"),
    /it lacks "g_ema\.convs\.1\.conv\.weight", of shape \[1,5,5,3,3\] in a 16x16/,
  );
  await refused((t) => t.delete("conv1.conv.weight"), /lacks "g_ema\.conv1\.conv\.weight"/);
  await refused((t) => t.delete("input.input"), /lacks "g_ema\.input\.input"/);
  await refused((t) => t.delete("to_rgbs.1.bias"), /lacks "g_ema\.to_rgbs\.1\.bias"/);
  await refused(
    (t) => t.delete("noises.noise_2"),
    /lacks "g_ema\.noises\.noise_2", of shape \[1,1,8,8\]/,
  );
  await refused((t) => t.delete("style.1.weight"), /lacks "g_ema\.style\.1\.weight"/);
});

Deno.test("readGenerator() names a tensor of the wrong shape, found and expected", async () => {
  await refused(
    (t) => t.get("convs.2.conv.weight")!.shape = [1, 3, 6, 3, 3],
    /"g_ema\.convs\.2\.conv\.weight" has shape \[1,3,6,3,3\], a 16x16 generator with 7, 5, 3 channels needs \[1,3,5,3,3\]/,
  );
  await refused(
    (t) => t.get("input.input")!.shape = [7, 4, 4],
    /"g_ema\.input\.input" has shape \[7,4,4\]/,
  );
  await refused(
    (t) => t.set("latent_avg", { shape: [6], data: new Float32Array(6) }),
    /"latent_avg" has shape \[6\].* needs \[5\]/,
  );
});

Deno.test("readGenerator() names a tensor that no such generator has", async () => {
  await refused(
    (t) => t.set("convs.4.extra", { shape: [3], data: new Float32Array(3) }),
    /it has "g_ema\.convs\.4\.extra" of shape \[3\], which a 16x16 .* has no place for/,
  );
});

Deno.test("readGenerator() names a tensor with a NaN or an infinity", async () => {
  await refused(
    (t) => t.get("conv1.conv.weight")!.data[9] = NaN,
    /"g_ema\.conv1\.conv\.weight" holds NaN at index 9/,
  );
  await refused(
    (t) => t.get("noises.noise_0")!.data[3] = -Infinity,
    /"g_ema\.noises\.noise_0" holds -Infinity/,
  );
});

Deno.test("readGenerator() refuses another upsampling filter than [1, 3, 3, 1]", async () => {
  await refused(
    (t) => t.set("to_rgbs.0.upsample.kernel", { shape: [4, 4], data: new Float32Array(16) }),
    /"g_ema\.to_rgbs\.0\.upsample\.kernel" is not \[1, 3, 3, 1\]/,
  );
});

const OTHER_FILES: [name: string, message: RegExp][] = [
  ["visual.conv1.weight", /CLIP model/],
  ["g.conv1.conv.weight", /not its moving average "g_ema"/],
  [
    "convs.0.0.weight",
    /of no generator that nada knows \("convs\.0\.0\.weight"\); it reads StyleGAN2/,
  ],
  ["convs.1.conv1.0.weight", /discriminator/],
  ["module.conv1.conv.weight", /DataParallel/],
  ["G_ema.synthesis.b4.const", /it lacks "G_ema\.mapping\.fc0\.weight"/],
  ["G.synthesis.b4.const", /not its moving average "G_ema"/],
  ["D.b4.conv.weight", /discriminator/],
  ["2.synthesis.4x4/Conv/mod_bias", /it lacks "2\.mapping\.Dense0\/weight"/],
  ["2.synthesis.4x4/Conv/StyleMod/weight", /StyleGAN of 2018/],
  ["2.4x4/Dense/weight", /ProGAN/],
  ["G_ema.synthesis.input.freqs", /StyleGAN3/],
  ["state_dict.decoder.conv1.conv.weight", /encoder/],
];
for (const [name, message] of OTHER_FILES) {
  Deno.test(`readGenerator() says what a file with "${name}" is`, async () => {
    const source = asSource(new Map([[name, { shape: [1], data: new Float32Array(1) }]]));
    await assert.rejects(
      readGenerator(source),
      (error) => error instanceof CheckpointError && message.test(error.message),
    );
  });
}

Deno.test({
  name: "readGenerator() recognises the published forms of CLIP",
  ignore,
  async fn() {
    for (
      const file of ["vit_a/state_dict.pt", "rn/jit.pt", "vit_b/huggingface/model.safetensors"]
    ) {
      using checkpoint = await openCheckpoint(fixturePath(`clip/${file}`));
      await assert.rejects(readGenerator(checkpoint), /it is a CLIP model/);
    }
  },
});

Deno.test("layerParameters() puts every parameter in one layer", () => {
  const a = architecture(DIMENSIONS);
  const layers = layerParameters(a);
  assert.deepEqual([...layers.keys()], [
    "style",
    "input",
    "conv1",
    "convs.0",
    "convs.1",
    "convs.2",
    "convs.3",
    "to_rgb1",
    "to_rgbs.0",
    "to_rgbs.1",
  ]);
  assert.deepEqual([...layers.values()].flat(), [...parameterShapes(a).keys()]);
  assert.deepEqual(layers.get("convs.2"), [
    "convs.2.conv.weight",
    "convs.2.conv.modulation.weight",
    "convs.2.conv.modulation.bias",
    "convs.2.noise.weight",
    "convs.2.activate.bias",
  ]);
  assert.deepEqual(layers.get("input"), ["input.input"]);
  assert.deepEqual(defaultTrainedLayers(a), [
    "input",
    "conv1",
    "convs.0",
    "convs.1",
    "convs.2",
    "convs.3",
  ]);
});
