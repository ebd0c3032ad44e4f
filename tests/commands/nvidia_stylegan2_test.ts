/** Commands with StyleGAN2 generators in NVIDIA's layouts, and with generators of classes. */
import assert from "node:assert/strict";
import { openCheckpoint, writeSafetensors } from "../../lib/checkpoint/mod.ts";
import { assertClose } from "../assert.ts";
import { fixture, fixturePath, hasFixtures } from "../fixtures.ts";
import { writeTiny } from "../models/clip/tiny.ts";
import { asTensorflow, madeUp, withClasses } from "../models/stylegan2/made_up_tensorflow.ts";
import { temporaryFolder } from "../temporary.ts";
import { fail, succeed, tensorsIn } from "./run.ts";

type Folder = ReturnType<typeof temporaryFolder>;

const PICKLE = "nvidia/sg2ada.pkl";

/** Two steps of an adaptation with a tiny CLIP. */
async function adapt(folder: Folder, generator: string, ...more: string[]): Promise<string> {
  const templates = folder.file("templates.txt");
  await Deno.writeTextFile(templates, "{}\n");
  const clip = await writeTiny(folder.file("clip.safetensors"));
  const texts = ["--source", "a", "--target", "b", "--templates", templates];
  const run = ["--steps", "2", "--lr", "0.05", "--sample-every", "0", "--out", folder.file("run")];
  await succeed("adapt", "--generator", generator, "--clip", clip, ...texts, ...run, ...more);
  return folder.file("run/adapted.safetensors");
}

async function imagesOf(folder: Folder, generator: string, ...more: string[]) {
  const out = folder.file("images.safetensors");
  const options = ["--seeds", "0-1", "--out", out, "--overwrite", ...more];
  await succeed("sample", "--generator", generator, ...options);
  return (await tensorsIn(out)).images!.data;
}

Deno.test({
  name: "nada sample and inspect read NVIDIA's StyleGAN2 pickle",
  ignore: !hasFixtures,
}, async () => {
  using folder = temporaryFolder();
  const about = await succeed("inspect", fixturePath(PICKLE));
  assert.match(about, /^Kind +StyleGAN2 generator in NVIDIA's layout$/m);
  assert.match(about, /^Format +Python pickle/m);
  assert.match(about, /^Channels +32 at 4, 32 at 8, 32 at 16, 24 at 32$/m);
  assert.match(about, /^Limit +2 on activations$/m);
  assert.match(about, /^Networks +G Generator, D Discriminator, G_ema Generator$/m);

  const expected = await fixture("nvidia/sg2ada_forward.safetensors");
  const [z, out] = [folder.file("z.safetensors"), folder.file("images.safetensors")];
  await writeSafetensors(z, [["z", expected["input.z"]!]]);
  const options = ["--z", z, "--truncation", "0.7", "--out", out];
  await succeed("sample", "--generator", fixturePath(PICKLE), ...options);
  const { images } = await tensorsIn(out);
  assertClose(images!.data, expected["image_truncated_0.7"]!.data, 2e-6);
});

Deno.test({
  name: "nada adapt adapts NVIDIA's StyleGAN2 pickle, and nada sample draws the result",
  ignore: !hasFixtures,
}, async () => {
  using folder = temporaryFolder();
  const generator = fixturePath(PICKLE);
  const delta = await adapt(folder, generator);
  using changed = await openCheckpoint(delta);
  assert.ok(changed.tensors.has("convs.3.conv.weight"));
  assert.ok(changed.tensors.keys().every((name) => !/^style|^to_rgb/.test(name)));
  const before = await imagesOf(folder, generator);
  const after = await imagesOf(folder, generator, "--adapted", delta);
  assert.notDeepEqual(after, before);
  assert.ok(after.every(Number.isFinite));
});

Deno.test({
  name: "nada export keeps the limit of NVIDIA's StyleGAN2 in safetensors",
  ignore: !hasFixtures,
}, async () => {
  using folder = temporaryFolder();
  const generator = fixturePath(PICKLE);
  const out = folder.file("exported.safetensors");
  await succeed("export", "--generator", generator, "--out", out);
  assert.match(await succeed("inspect", out), /^Limit +2 on activations$/m);
  assert.deepEqual(await imagesOf(folder, out), await imagesOf(folder, generator));
});

Deno.test("nada export makes a generator without classes of a class", async () => {
  using folder = temporaryFolder();
  const generator = folder.file("g.safetensors");
  await writeSafetensors(generator, withClasses().tensors);
  const out = folder.file("class2.pt");
  await succeed("export", "--generator", generator, "--class", "2", "--out", out);
  const images = await imagesOf(folder, generator, "--class", "2");
  assert.deepEqual(await imagesOf(folder, out), images);
});

Deno.test("nada adapt adapts TensorFlow's tensors as it does rosinality's", async () => {
  const deltas = [];
  for (const form of [madeUp(), asTensorflow(madeUp())]) {
    using folder = temporaryFolder();
    const generator = folder.file("g.safetensors");
    await writeSafetensors(generator, form);
    deltas.push(await tensorsIn(await adapt(folder, generator)));
  }
  const [expected, actual] = deltas as [typeof deltas[0], typeof deltas[0]];
  assert.deepEqual(Object.keys(actual), Object.keys(expected));
  for (const [name, { data }] of Object.entries(expected)) {
    // Biases differ by rounding, and Adam's first steps by the sign of the gradient alone.
    assertClose(actual[name]!.data, data, 1e-3, name);
  }
});

Deno.test("nada adapt --class adapts one class, which nada sample then draws unless told another", async () => {
  using folder = temporaryFolder();
  const generator = folder.file("g.safetensors");
  await writeSafetensors(generator, withClasses().tensors);
  assert.match(await succeed("inspect", generator), /^Classes +4, for --class 0 to 3$/m);
  const refused = await fail("sample", "--generator", generator, "--out", folder.file("a.png"));
  assert.match(refused, /its images are of 4 classes; pass --class with a number from 0 to 3/);

  const delta = await adapt(folder, generator, "--class", "2");
  assert.match(await succeed("inspect", delta, "--json"), /"nada.base.class": *"2"/);
  const draw = (...more: string[]) => imagesOf(folder, generator, ...more);
  const adapted = await draw("--adapted", delta);
  assert.deepEqual(await draw("--adapted", delta, "--class", "2"), adapted);
  assert.notDeepEqual(await draw("--class", "2"), adapted);
  assert.notDeepEqual(await draw("--adapted", delta, "--class", "1"), adapted);
  assert.notDeepEqual(await draw("--class", "1"), await draw("--class", "2"));
});

Deno.test("nada diff --class compares one class, by itself that of a delta", async () => {
  using folder = temporaryFolder();
  const generator = folder.file("g.safetensors");
  await writeSafetensors(generator, withClasses().tensors);
  const diff = (...args: string[]) => succeed("diff", ...args);
  const refused = await fail("diff", generator, generator);
  assert.match(refused, /its images are of 4 classes; pass --class with a number from 0 to 3/);
  assert.match(await diff(generator, generator, "--class", "2"), /^0 of \d+ tensors differ$/);

  const delta = await adapt(folder, generator, "--class", "2");
  const changed = await diff(generator, delta);
  assert.match(changed, /^\d+ of \d+ tensors differ, in \d+ of \d+ layers\n/);
  assert.doesNotMatch(changed, /^0|style/m);
  assert.equal(await diff(generator, delta, "--class", "1"), changed);

  const [one, two] = [folder.file("1.safetensors"), folder.file("2.safetensors")];
  await succeed("convert", generator, "--class", "1", "--out", one);
  await succeed("convert", generator, "--class", "2", "--out", two);
  assert.match(await diff(generator, two, "--class", "2"), /^0 of/);
  assert.match(await diff(one, two), /^1 of \d+ tensors differ, in 1 of .*\n\nlayer.*\nstyle/);
  assert.match(await fail("diff", one, two, "--class", "1"), /they have no classes; leave --class/);
});

Deno.test("nada eval judges the class that was adapted, unless told another, and says which", async () => {
  using folder = temporaryFolder();
  const generator = folder.file("g.safetensors");
  await writeSafetensors(generator, withClasses().tensors);
  const delta = await adapt(folder, generator, "--class", "2");
  const judge = async (...more: string[]) => {
    const models = ["--generator", generator, "--adapted", delta];
    const clip = ["--clip", folder.file("clip.safetensors")];
    const templates = ["--templates", folder.file("templates.txt"), "--samples", "20"];
    const out = ["--out", folder.file("eval"), "--overwrite", "--json", ...more];
    return JSON.parse(await succeed("eval", ...models, ...clip, ...templates, ...out));
  };
  const [own, other] = [await judge(), await judge("--class", "1")];
  assert.deepEqual([own.class, other.class], [2, 1]);
  assert.notDeepEqual(other.sharpness, own.sharpness);
});

Deno.test("nada sample --adapted keeps a trained mapping network to the class that it was trained for", async () => {
  using folder = temporaryFolder();
  const generator = folder.file("g.safetensors");
  await writeSafetensors(generator, withClasses().tensors);
  const delta = await adapt(folder, generator, "--class", "2", "--train-layers", "style");
  const options = ["--generator", generator, "--adapted", delta, "--out", folder.file("a.png")];
  assert.match(
    await fail("sample", ...options, "--class", "1"),
    /to class 1: it has its own mapping network, for class 2; pass --class 2/,
  );
});
