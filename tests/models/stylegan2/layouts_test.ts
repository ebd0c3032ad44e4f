import assert from "node:assert/strict";
import { openCheckpoint } from "../../../lib/checkpoint/mod.ts";
import type { TensorSource } from "../../../models/generator/generator.ts";
import { outlineGenerator, readGenerator } from "../../../models/stylegan2/weights.ts";
import { assertClose } from "../../assert.ts";
import { fixturePath, hasFixtures } from "../../fixtures.ts";
import { normals, seededRandom } from "../../gpu.ts";
import { allValues, valuesOf } from "../generator/values.ts";
import { asSource, type Tensors } from "./made_up.ts";
import { asTensorflow, madeUp, withClasses } from "./made_up_tensorflow.ts";

const prefixed = (tensors: Tensors, prefix: string): Tensors =>
  new Map(tensors.entries().map(([name, tensor]) => [prefix + name, tensor]));

for (const prefix of ["2.", ""]) {
  Deno.test(`readGenerator() reads TensorFlow's tensors after "${prefix}" as rosinality's`, async () => {
    const ours = madeUp();
    const expected = await readGenerator(asSource(ours));
    const found = await readGenerator(asSource(prefixed(asTensorflow(ours), prefix)));
    assert.deepEqual(found.architecture, expected.architecture);
    assert.deepEqual(await found.latentAvg!.read(), await expected.latentAvg!.read());
    assert.deepEqual(await allValues(found.fixed), await allValues(expected.fixed));
    for (const [name, { shape, data }] of await allValues(expected.parameters)) {
      const read = await valuesOf(found.parameters.get(name)!);
      assert.deepEqual(read.shape, shape, name);
      // 1 is taken from a bias, and added again.
      assertClose(read.data, data, 1e-6, name);
    }
  });
}

Deno.test("readGenerator() names a tensor of TensorFlow's as it stands in the file", async () => {
  const tensors = asTensorflow(madeUp());
  tensors.delete("synthesis.8x8/Conv0_up/mod_bias");
  await assert.rejects(
    readGenerator(asSource(prefixed(tensors, "2."))),
    /it lacks "2\.synthesis\.8x8\/Conv0_up\/mod_bias", of shape \[7\]/,
  );
  tensors.set("synthesis.8x8/Conv0_up/mod_bias", { shape: [3], data: new Float32Array(3) });
  await assert.rejects(
    readGenerator(asSource(prefixed(tensors, "2."))),
    /"2\.synthesis\.8x8\/Conv0_up\/mod_bias" has shape \[3\]/,
  );
});

Deno.test({
  name: "readGenerator() reads NVIDIA's names in safetensors as those of its pickle",
  ignore: !hasFixtures,
  async fn() {
    using pickled = await openCheckpoint(fixturePath("nvidia/sg2ada.pkl"));
    using plain = await openCheckpoint(fixturePath("nvidia/sg2ada_weights.safetensors"));
    const expected = await readGenerator(pickled);
    // Tensors alone do not tell the limit.
    for (const [metadata, limit] of [[{}, null], [{ "nada.limit": "2" }, 2]] as const) {
      const found = await readGenerator({ ...plain, metadata });
      assert.deepEqual(found.architecture, { ...expected.architecture, limit });
      for (const part of ["parameters", "fixed"] as const) {
        assert.deepEqual(await allValues(found[part]), await allValues(expected[part]));
      }
    }
    const { layout, classes } = outlineGenerator(pickled);
    assert.deepEqual([layout, classes], ["nvidia", 0]);
  },
});

Deno.test("readGenerator() makes of a class a generator whose first layer has it in its bias", async () => {
  const { tensors, first, bias, embed } = withClasses();
  const { architecture, parameters } = await readGenerator(asSource(tensors), 2);
  assert.equal(architecture.zSize, 6);

  // What NVIDIA's code computes of z and the class, before the activation.
  const z = [...normals(6, seededRandom(6))];
  const unit = (x: number[]) => {
    const scale = 1 / Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / x.length + 1e-8);
    return x.map((v) => v * scale);
  };
  const column = [0, 1, 2].map((i) =>
    embed[0]!.data[2 * 3 + i]! / Math.sqrt(4) + embed[1]!.data[i]!
  );
  const x = [...unit(z), ...unit(column)];
  const expected = Array.from(
    bias.data,
    (b, o) => x.reduce((sum, v, i) => sum + v * first.data[i * 5 + o]!, 0) / Math.sqrt(9) + b,
  );

  const weight = await parameters.get("style.1.weight")!.read();
  const offset = await parameters.get("style.1.bias")!.read();
  const actual = Array.from(
    offset!,
    (b, o) => unit(z).reduce((sum, v, i) => sum + v * weight[o * 6 + i]!, 0) / Math.sqrt(6) + b,
  );
  assertClose(actual, expected, 1e-6);
});

Deno.test("readGenerator() says how many classes there are where none, or no such one, is chosen", async () => {
  const source = asSource(withClasses().tensors);
  await assert.rejects(
    readGenerator(source),
    /its images are of 4 classes; pass --class with a number from 0 to 3/,
  );
  await assert.rejects(readGenerator(source, 4), /4 classes and none with the number 4/);
  await assert.rejects(readGenerator(asSource(madeUp()), 0), /of no classes; leave --class out/);
  assert.equal(outlineGenerator(source).classes, 4);
});

Deno.test("readGenerator() refuses a mean w under another name, and tensors of whole numbers", async () => {
  const tensors = new Map(prefixed(madeUp(), "g_ema."));
  const mean = tensors.get("g_ema.latent_avg")!;
  tensors.delete("g_ema.latent_avg");
  tensors.set("latent_avh", mean);
  const { file, tensors: entries } = asSource(tensors);
  await assert.rejects(
    readGenerator({ file, tensors: entries }),
    /has "latent_avh" of shape \[5\] beside the generator and no "latent_avg"; rename or remove it/,
  );
  const sound = asSource(madeUp());
  const weight = sound.tensors.get("conv1.conv.weight")!;
  const whole = new Map(sound.tensors).set("conv1.conv.weight", { ...weight, dtype: "i32" });
  await assert.rejects(
    readGenerator({ file, tensors: whole }),
    /"conv1\.conv\.weight" has elements of type i32; f32, f16, bf16 or f64 was expected/,
  );
});

/** The made-up generator with what a pickle says of one of its modules. */
const withModule = (path: string, attributes: Record<string, unknown>): TensorSource => ({
  ...asSource(prefixed(new Map([["synthesis.b4.const", madeUp().get("input.input")!]]), "G_ema.")),
  modules: new Map([[path, { attributes }]]),
});

const OTHER_SETTINGS: [path: string, attributes: Record<string, unknown>, reason: RegExp][] = [
  ["G_ema.synthesis.b8", { architecture: "resnet" }, /b8" has architecture "resnet"; .* "skip"/],
  ["G_ema.synthesis.b8", { architecture: "orig" }, /architecture "orig"/],
  ["G_ema.synthesis.b8.conv0", { activation: "relu" }, /activation "relu"; .* "lrelu"/],
  ["G_ema.mapping.fc0", { bias_gain: 0.1 }, /a learning rate of 0.1; .* 0.01/],
];
for (const [path, attributes, reason] of OTHER_SETTINGS) {
  Deno.test(`readGenerator() refuses NVIDIA's generators with ${JSON.stringify(attributes)}`, async () => {
    await assert.rejects(readGenerator(withModule(path, attributes)), reason);
  });
}

Deno.test("readGenerator() refuses settings of TensorFlow's that nada does not have", async () => {
  const source = (kwargs: Record<string, unknown>): TensorSource => ({
    ...asSource(prefixed(asTensorflow(madeUp()), "2.")),
    modules: new Map([["2", { attributes: {}, kwargs: kwargs as Record<string, string> }]]),
  });
  await assert.rejects(readGenerator(source({ architecture: "resnet" })), /"resnet"/);
  await assert.rejects(readGenerator(source({ mapping_lrmul: 0.1 })), /mapping_lrmul 0.1/);
  const { architecture } = await readGenerator(source({ architecture: "skip", conv_clamp: 256 }));
  assert.equal(architecture.limit, 256);
});
