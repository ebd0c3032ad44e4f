import assert from "node:assert/strict";
import { openCheckpoint } from "../../../lib/checkpoint/mod.ts";
import { constant, input, state, type Tensor } from "../../../lib/graph/tensor.ts";
import { type DeviceGenerator, uploadGenerator } from "../../../models/generator/device.ts";
import { leavesOf, type Parameters } from "../../../models/generator/generator.ts";
import { broadcastW, mixStyles, truncate } from "../../../models/generator/styles.ts";
import { type Architecture, parameterShapes } from "../../../models/stylegan2/architecture.ts";
import { stylegan2 } from "../../../models/stylegan2/family.ts";
import { mapping, synthesis } from "../../../models/stylegan2/generator.ts";
import { noisesOf, noNoises, randomNoises } from "../../../models/stylegan2/noise.ts";
import { readGenerator } from "../../../models/stylegan2/weights.ts";
import { assertClose } from "../../assert.ts";
import { fixture, fixturePath, hasFixtures } from "../../fixtures.ts";
import { evaluate, normals, seededRandom, testGpu } from "../../gpu.ts";
import { assertGradients } from "../generator/gradients.ts";
import { asSource, madeUpTensors, referenceImage } from "./made_up.ts";

const ignore = !hasFixtures;

const fixedNoises = (p: Parameters, a: Architecture) => noisesOf(p, a, 1, { mode: "const" });

// The reference's own float32 error is up to 1e-6 of the largest value; sums run in another order.
const FORWARD = 2e-6;
// Gradients pass every layer twice.
const GRADIENT = 1e-5;

async function load(file: string): Promise<DeviceGenerator<Architecture>> {
  using checkpoint = await openCheckpoint(fixturePath(`stylegan2/${file}`));
  return uploadGenerator(await testGpu(), await readGenerator(checkpoint));
}

for (const file of ["generator_32.pt", "generator_32.safetensors"]) {
  Deno.test({
    name: `synthesis() of ${file} gives every image and layer of the original code`,
    ignore,
    async fn() {
      const { architecture: a, tensors } = await load(file);
      const expected = await fixture("stylegan2/forward_32.safetensors");
      const given = (name: string) => constant(expected[name]!.data, expected[name]!.shape);
      const p = leavesOf(stylegan2(a));
      const image = (wPlus: Tensor, noises = fixedNoises(p, a)) =>
        synthesis(p, a, wPlus, noises).image;

      const w = mapping(p, a, given("input.z"));
      const wPlus = broadcastW(a, w);
      const truncated = truncate(w, state("latent_avg", [a.wSize]), constant(0.7));
      const mixed = mixStyles(
        wPlus,
        broadcastW(a, mapping(p, a, given("input.z2"))),
        constant(Float32Array.from({ length: a.wCount }, (_, i) => i < 3 ? 1 : 0), [a.wCount]),
      );
      const explicit = a.convs.map(({ index }) => given(`input.noise.${index}`));
      const whole = synthesis(p, a, wPlus, fixedNoises(p, a));
      const outputs: Record<string, Tensor> = {
        w,
        w_plus: wPlus,
        image: whole.image,
        "w_truncated_0.7": truncated,
        "image_truncated_0.7": image(broadcastW(a, truncated)),
        image_explicit_noise: image(wPlus, explicit),
        image_from_wplus: image(given("input.wplus_input")),
        "mixing.w_plus": mixed,
        "mixing.image": image(mixed),
      };
      for (const [name, layer] of Object.entries(whole.layers)) outputs[`layer.${name}`] = layer;

      const actual = await evaluate(outputs, {}, tensors);
      const compared = Object.keys(expected).filter((name) => !name.startsWith("input."));
      assert.deepEqual(Object.keys(outputs).sort(), compared.sort());
      for (const name of compared) {
        const { data } = expected[name]!;
        // Of the layers, the fixture holds the first sample.
        const error = assertClose(actual[name]!.subarray(0, data.length), data, FORWARD, name);
        console.log(`${name}: ${error.toExponential(1)}`);
      }
    },
  });
}

for (const from of ["wplus", "z"] as const) {
  Deno.test({
    name: `synthesis() has all gradients of the original code, from ${from}`,
    ignore,
    async fn() {
      const { architecture: a, tensors } = await load("generator_32.safetensors");
      const values = await fixture("stylegan2/forward_32.safetensors");
      const expected = await fixture("stylegan2/gradients_32.safetensors");
      const { shape, data } = values[from === "z" ? "input.z" : "input.wplus_input"]!;
      const leaf = input("latent", shape);
      const p = leavesOf(stylegan2(a));
      const wPlus = from === "z" ? broadcastW(a, mapping(p, a, leaf)) : leaf;
      const { image } = synthesis(p, a, wPlus, fixedNoises(p, a));

      const count = await assertGradients(
        { latent: leaf, image, parameters: p },
        { values: data, tensors },
        expected,
        `from_${from}.grad`,
        () => GRADIENT,
      );
      assert.equal(count, parameterShapes(a).size - (from === "z" ? 0 : 2 * a.mappingDepth));
    },
  });
}

const MADE_UP = [
  { zSize: 6, wSize: 5, mappingDepth: 2, channels: [7, 5] },
  { zSize: 9, wSize: 9, mappingDepth: 1, channels: [3] },
  { zSize: 4, wSize: 7, mappingDepth: 3, channels: [5, 9, 3] },
];
for (const dimensions of MADE_UP) {
  const { channels, mappingDepth } = dimensions;
  Deno.test(`synthesis() follows the formulas with ${channels} channels, ${mappingDepth} mapping layers`, async () => {
    const made = madeUpTensors(dimensions, 3);
    const { architecture: a, tensors } = await uploadGenerator(
      await testGpu(),
      await readGenerator(asSource(made)),
    );
    const z = normals(2 * a.zSize, seededRandom(4));
    const p = leavesOf(stylegan2(a));
    const w = mapping(p, a, input("z", [2, a.zSize]));
    const { image } = synthesis(p, a, broadcastW(a, w), fixedNoises(p, a));
    const actual = await evaluate({ w, image }, { z }, tensors);
    for (const i of [0, 1]) {
      const own = z.subarray(i * a.zSize, (i + 1) * a.zSize);
      const expected = referenceImage(made, dimensions, own);
      const row = (values: Float32Array) =>
        values.subarray(i * values.length / 2, (i + 1) * values.length / 2);
      assertClose(row(actual.w), expected.w, FORWARD, `w of row ${i}`);
      assertClose(row(actual.image), expected.image, FORWARD, `image of row ${i}`);
    }
  });
}

Deno.test("randomNoises() differ by layer and sample, noNoises() take the noise away", async () => {
  const [dimensions] = MADE_UP;
  const { architecture: a, tensors } = await uploadGenerator(
    await testGpu(),
    await readGenerator(asSource(madeUpTensors(dimensions!, 3))),
  );
  const p = leavesOf(stylegan2(a));
  const w = input("w", [2, a.wSize]);
  const noises = randomNoises(a, 2, input("key", [2], "u32"));
  const quiet = { ...p, ...silent(p) };
  const image = (parameters: typeof p, noises: Tensor[]) =>
    synthesis(parameters, a, broadcastW(a, w), noises).image;
  const result = await evaluate(
    {
      first: noises[1]!,
      second: noises[2]!,
      noisy: image(p, noises),
      none: image(p, noNoises(a)),
      weightless: image(quiet, noises),
    },
    { w: normals(2 * a.wSize, seededRandom(5)), key: Uint32Array.of(9, 1) },
    tensors,
  );
  assert.deepEqual(noises.map(({ shape }) => shape), [[2, 1, 4, 4], [2, 1, 8, 8], [2, 1, 8, 8]]);
  assert.notDeepEqual(result.first, result.second);
  assert.notDeepEqual(result.first.subarray(0, 64), result.first.subarray(64));
  assertClose(result.none, result.weightless, 1e-7);
  assert.notDeepEqual(result.none, result.noisy);
});

/** Zeros for the strength of the noise. */
function silent(p: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  const names = Object.keys(p).filter((name) => name.endsWith("noise.weight"));
  return Object.fromEntries(names.map((name) => [name, constant(0, [1])]));
}
