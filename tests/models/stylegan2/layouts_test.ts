import assert from "node:assert/strict";
import { openCheckpoint } from "../../../lib/checkpoint/mod.ts";
import type { TensorSource } from "../../../models/generator/generator.ts";
import type { Dimensions } from "../../../models/stylegan2/architecture.ts";
import { outlineGenerator, readGenerator } from "../../../models/stylegan2/weights.ts";
import { assertClose } from "../../assert.ts";
import { fixturePath, hasFixtures } from "../../fixtures.ts";
import { normals, seededRandom } from "../../gpu.ts";
import { asSource, madeUpTensors, type Tensors } from "./made_up.ts";

const DIMENSIONS: Dimensions = { zSize: 6, wSize: 5, mappingDepth: 2, channels: [7, 5, 3] };
const SIDES = [4, 8, 16];

type Entry = Tensors extends Map<string, infer T> ? T : never;

/** `out[i, j, …] = from(i, j, …)`. */
function filled(shape: number[], from: (...index: number[]) => number): Entry {
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
  const index = shape.map(() => 0);
  for (let at = 0; at < data.length; at++) {
    data[at] = from(...index);
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis]! === shape[axis]; axis--) {
      index[axis] = 0;
    }
  }
  return { shape, data };
}

/** A made-up generator under the names, and in the form, of NVIDIA's code for TensorFlow. */
function asTensorflow(ours: Tensors): Tensors {
  const theirs: Tensors = new Map();
  const transposed = ({ shape: [rows, columns], data }: Entry) =>
    filled([columns!, rows!], (c, r) => data[r! * columns! + c!]!);
  const plus = ({ shape, data }: Entry, x: number) => ({ shape, data: data.map((y) => y + x) });
  const get = (name: string) => ours.get(name)!;
  for (const k of [0, 1]) {
    theirs.set(`mapping.Dense${k}/weight`, transposed(get(`style.${k + 1}.weight`)));
    theirs.set(`mapping.Dense${k}/bias`, get(`style.${k + 1}.bias`));
  }
  theirs.set("synthesis.4x4/Const/const", get("input.input"));
  theirs.set("dlatent_avg", get("latent_avg"));
  for (let i = 0; i < 5; i++) theirs.set(`synthesis.noise${i}`, get(`noises.noise_${i}`));

  const layer = (name: string, path: string, isUp: boolean) => {
    const { shape: [, outputs, inputs, side], data } = get(`${name}.conv.weight`);
    const at = (o: number, i: number, y: number, x: number) =>
      data[((o * inputs! + i) * side! + y) * side! + x]!;
    theirs.set(
      `${path}/weight`,
      filled(
        [side!, side!, inputs!, outputs!],
        (y, x, i, o) => isUp ? at(o!, i!, side! - 1 - y!, side! - 1 - x!) : at(o!, i!, y!, x!),
      ),
    );
    theirs.set(`${path}/mod_weight`, transposed(get(`${name}.conv.modulation.weight`)));
    theirs.set(`${path}/mod_bias`, plus(get(`${name}.conv.modulation.bias`), -1));
    const strength = ours.get(`${name}.noise.weight`);
    if (strength) theirs.set(`${path}/noise_strength`, { ...strength, shape: [] });
    const bias = ours.get(`${name}.activate.bias`) ?? get(`${name}.bias`);
    theirs.set(`${path}/bias`, { ...bias, shape: [bias.data.length] });
  };
  layer("conv1", "synthesis.4x4/Conv", false);
  SIDES.forEach((r, block) => {
    layer(block ? `to_rgbs.${block - 1}` : "to_rgb1", `synthesis.${r}x${r}/ToRGB`, false);
    if (block === 0) return;
    layer(`convs.${2 * block - 2}`, `synthesis.${r}x${r}/Conv0_up`, true);
    layer(`convs.${2 * block - 1}`, `synthesis.${r}x${r}/Conv1`, false);
  });
  return theirs;
}

function madeUp(): Tensors {
  const mean = normals(5, seededRandom(8));
  return madeUpTensors(DIMENSIONS, 1).set("latent_avg", { shape: [5], data: mean });
}

const prefixed = (tensors: Tensors, prefix: string): Tensors =>
  new Map(tensors.entries().map(([name, tensor]) => [prefix + name, tensor]));

for (const prefix of ["2.", ""]) {
  Deno.test(`readGenerator() reads TensorFlow's tensors after "${prefix}" as rosinality's`, async () => {
    const ours = madeUp();
    const expected = await readGenerator(asSource(ours));
    const found = await readGenerator(asSource(prefixed(asTensorflow(ours), prefix)));
    assert.deepEqual(found.architecture, expected.architecture);
    assert.deepEqual(found.latentAvg, expected.latentAvg);
    assert.deepEqual(found.fixed, expected.fixed);
    for (const [name, { shape, data }] of expected.parameters) {
      const read = found.parameters.get(name)!;
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
      assert.deepEqual(found, { ...expected, architecture: { ...expected.architecture, limit } });
    }
    const { layout, classes } = outlineGenerator(pickled);
    assert.deepEqual([layout, classes], ["nvidia", 0]);
  },
});

/** A made-up generator of 4 classes under NVIDIA's names: rosinality's with another first layer. */
function withClasses(): { source: TensorSource; first: Entry; bias: Entry; embed: Entry[] } {
  const random = seededRandom(5);
  const entry = (...shape: number[]): Entry => ({
    shape,
    data: normals(shape.reduce((a, b) => a * b, 1), random),
  });
  const tensors = asTensorflow(madeUp());
  const [first, bias] = [entry(6 + 3, 5), entry(5)];
  const embed = [entry(4, 3), entry(3)];
  tensors.set("mapping.Dense0/weight", first).set("mapping.Dense0/bias", bias);
  tensors.set("mapping.LabelEmbed/weight", embed[0]!).set("mapping.LabelEmbed/bias", embed[1]!);
  return { source: asSource(tensors), first, bias, embed };
}

Deno.test("readGenerator() makes of a class a generator whose first layer has it in its bias", async () => {
  const { source, first, bias, embed } = withClasses();
  const { architecture, parameters } = await readGenerator(source, 2);
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

  const [weight, offset] = ["weight", "bias"].map((n) => parameters.get(`style.1.${n}`)!.data);
  const actual = Array.from(
    offset!,
    (b, o) => unit(z).reduce((sum, v, i) => sum + v * weight![o * 6 + i]!, 0) / Math.sqrt(6) + b,
  );
  assertClose(actual, expected, 1e-6);
});

Deno.test("readGenerator() says how many classes there are where none, or no such one, is chosen", async () => {
  const { source } = withClasses();
  await assert.rejects(
    readGenerator(source),
    /its images are of 4 classes; pass --class with a number from 0 to 3/,
  );
  await assert.rejects(readGenerator(source, 4), /4 classes and none with the number 4/);
  await assert.rejects(readGenerator(asSource(madeUp()), 0), /of no classes; leave --class out/);
  assert.equal(outlineGenerator(source).classes, 4);
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
