import assert from "node:assert/strict";
import { CheckpointError } from "../../../lib/errors.ts";
import { readGenerator as readAny } from "../../../models/generator/families.ts";
import { layerParameters, parameterShapes } from "../../../models/stylegan3/architecture.ts";
import { isStylegan3, readGenerator as read } from "../../../models/stylegan3/weights.ts";
import { asSource, type Tensors } from "../stylegan2/made_up.ts";
import { allValues, valuesOf } from "../generator/values.ts";
import { madeUpDimensions, madeUpTensors } from "./made_up.ts";

/** As a promise, so that what it throws rejects. */
const readGenerator = async (...given: Parameters<typeof read>) =>
  await Promise.resolve(read(...given));

const tensor = (...shape: number[]) => ({
  shape,
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1),
});

Deno.test("readGenerator() reads StyleGAN3's sizes, factors and values from names and shapes", async () => {
  const tensors = madeUpTensors(madeUpDimensions("T"), 1);
  for (const prefix of ["G_ema.", ""]) {
    const source = asSource(tensors, prefix);
    assert.ok(isStylegan3(source.tensors));
    const { architecture: a, parameters, fixed, latentAvg } = await readGenerator(source);
    assert.deepEqual([a.resolution, a.zSize, a.wSize, a.wCount], [16, 6, 5, 6]);
    assert.deepEqual(a.input, { channels: 6, size: 28, rate: 8, bandwidth: 2 });
    assert.deepEqual(
      a.layers.map(({ inSize, up, down, pad }) => [inSize, up, down, ...pad]),
      [[28, 2, 2, 9, 8], [28, 2, 2, 9, 8], [28, 4, 2, -6, -9], [36, 2, 2, -11, -12], [
        16,
        1,
        1,
        0,
        0,
      ]],
    );
    assert.deepEqual([a.limit, a.outputScale], [256, 0.25]);
    for (const [name, tensor] of await allValues([...parameters, ...fixed])) {
      assert.deepEqual(tensor, tensors.get(name), name);
    }
    assert.equal(parameters.size + fixed.size, tensors.size - 1);
    assert.deepEqual(await valuesOf(latentAvg!), tensors.get("mapping.w_avg"));
  }
});

Deno.test("readGenerator() takes G_ema's settings from what a pickle keeps of its layers", async () => {
  const tensors = madeUpTensors(madeUpDimensions("R"), 1);
  const { file, tensors: entries } = asSource(tensors, "G_ema.");
  const read = async (layer: Record<string, unknown>) => {
    const modules = new Map([
      ["G.synthesis.L0_28_7", { attributes: { conv_clamp: 7 } }],
      ["G_ema.synthesis", { attributes: { margin_size: 10, output_scale: 0.5 } }],
      ["G_ema.synthesis.input", { attributes: { bandwidth: 1.5 } }],
      ["G_ema.synthesis.L0_28_7", { attributes: layer }],
    ]);
    const { architecture } = await readGenerator({ file, tensors: entries, modules });
    return architecture;
  };
  const a = await read({ conv_clamp: 3, tmp_sampling_rate: 16, out_sampling_rate: 8 });
  assert.deepEqual([a.limit, a.outputScale, a.input.bandwidth], [3, 0.5, 1.5]);
  assert.equal((await read({ out_sampling_rate: 8 })).limit, null);
  await assert.rejects(
    read({ tmp_sampling_rate: 40, out_sampling_rate: 8 }),
    /"L0_28_7" would upsample by 5 and downsample by 5, by filters of 12 and 12,12 taps/,
  );
});

/** Asserts that reading fails with a message after a change to a good checkpoint. */
async function refused(change: (tensors: Tensors) => void, message: RegExp): Promise<void> {
  const tensors = madeUpTensors(madeUpDimensions("T"), 1);
  change(tensors);
  const readAll = async () => {
    const { parameters, fixed } = await readAny(asSource(tensors, "G_ema."));
    await allValues([...parameters, ...fixed]);
  };
  await assert.rejects(readAll, (error) => {
    assert(error instanceof CheckpointError);
    assert.match(error.message, /^Cannot load a generator from "made up": /);
    assert.match(error.message, message);
    return true;
  });
}

Deno.test("readGenerator() says what a StyleGAN3 checkpoint lacks, or has too much", async () => {
  const at = (name: string) => `synthesis.${name}`;
  await refused(
    (t) => t.delete(at("L1_28_5.affine.bias")),
    /lacks "G_ema\.synthesis\.L1_28_5\.affine\.bias", of shape \[7\] in a 16x16 StyleGAN3 .* 5 layers/,
  );
  await refused((t) => t.set(at("L2_36_4.bias"), tensor(5)), /has shape \[5\], .* needs \[4\]/);
  await refused((t) => t.set(at("L2_36_4.extra"), tensor(5)), /which a 16x16 .* no place for/);
  await refused((t) => t.delete(at("L1_28_5.weight")), /lacks a layer "synthesis\.L1_…"/);
  await refused((t) => t.delete(at("L0_28_7.weight")), /lacks a layer "synthesis\.L0_…"/);
  await refused(
    (t) => t.get(at("L0_28_7.magnitude_ema"))!.data[0] = NaN,
    /"G_ema\.synthesis\.L0_28_7\.magnitude_ema" holds NaN at index 0/,
  );
  await refused((t) => t.delete("mapping.fc0.weight"), /lacks "G_ema\.mapping\.fc0\.weight"/);
});

Deno.test("readGenerator() refuses filters that do not fit their layer's factors", async () => {
  const at = "synthesis.L0_28_7.up_filter";
  const sizes = /"L0_28_7" would upsample by 2 and downsample by 2, by filters of/;
  await refused((t) => t.delete(at), sizes);
  await refused((t) => t.set(at, tensor(7)), sizes);
  await refused((t) => t.set(at, tensor(2, 2, 2)), sizes);
});

Deno.test("readGenerator() knows StyleGAN-XL, and refuses it", async () => {
  await refused(
    (t) => t.set("mapping.embed.weight", tensor(1000, 320)),
    /it is a StyleGAN-XL generator; nada reads StyleGAN2 and StyleGAN3/,
  );
});

Deno.test("readGenerator() asks for a class where a generator has some, and takes it", async () => {
  const tensors = madeUpTensors(madeUpDimensions("T"), 1);
  const [outputs, inputs] = tensors.get("mapping.fc0.weight")!.shape as [number, number];
  tensors.set("mapping.fc0.weight", tensor(outputs, inputs + 3));
  tensors.set("mapping.embed.weight", tensor(3, 10)).set("mapping.embed.bias", tensor(3));
  await assert.rejects(
    readGenerator(asSource(tensors)),
    /its images are of 10 classes; pass --class with a number from 0 to 9/,
  );
  const { architecture, parameters } = await readGenerator(asSource(tensors), 9);
  assert.equal(architecture.zSize, inputs);
  assert.deepEqual(parameters.get("mapping.fc0.weight")!.shape, [outputs, inputs]);
});

Deno.test("layerParameters() puts every parameter of StyleGAN3 in one layer", async () => {
  const { architecture: a } = await readGenerator(
    asSource(madeUpTensors(madeUpDimensions("T"), 1)),
  );
  const layers = layerParameters(a);
  assert.deepEqual(
    [...layers.keys()].sort(),
    ["L0_28_7", "L1_28_5", "L2_36_4", "L3_16_4", "L4_16_3", "affine", "input", "mapping"],
  );
  assert.deepEqual(layers.get("input"), ["synthesis.input.weight"]);
  assert.deepEqual(
    [...layers.values()].flat().sort(),
    [...parameterShapes(a).keys()].sort(),
  );
});
