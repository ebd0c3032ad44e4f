import assert from "node:assert/strict";
import { type TensorData, writeSafetensors } from "../../../lib/checkpoint/mod.ts";
import { openClipFile } from "../../../models/clip/weights.ts";
import { assertClose } from "../../assert.ts";
import { fixture, fixturePath, hasFixtures } from "../../fixtures.ts";
import { temporaryFolder } from "../../temporary.ts";
import { tinyResNetTensors, tinyTensors, writeTiny } from "./tiny.ts";

const ignore = !hasFixtures;

Deno.test({
  name: "openClipFile() reads the architecture of OpenAI's files from their shapes",
  ignore,
  async fn() {
    const openai = { activation: "quick_gelu", epsilon: 1e-5, heads: 1, width: 64, hidden: 256 };
    for (const [name, vocabSize] of [["state_dict", 49408], ["small_vocab_jit", 600]] as const) {
      using file = await openClipFile(fixturePath(`clip/vit_a/${name}.pt`));
      assert.deepEqual(file.architecture, {
        features: 48,
        image: { kind: "vit", ...openai, blocks: 3, imageSize: 64, patchSize: 16 },
        text: { ...openai, blocks: 2, contextLength: 77, vocabSize, vocabulary: null },
      });
      assert.ok(Math.abs(await file.logitScale() - Math.exp(4.2)) < 1e-4);
    }
  },
});

Deno.test({
  name: "openClipFile() reads a Hugging Face folder, or the file in it, with its config.json",
  ignore,
  async fn() {
    const common = { activation: "quick_gelu", epsilon: 1e-5 };
    for (const path of ["clip/vit_b/huggingface", "clip/vit_b/huggingface/model.safetensors"]) {
      using file = await openClipFile(fixturePath(path));
      assert.deepEqual(file.architecture, {
        features: 32,
        image: {
          kind: "vit",
          ...common,
          heads: 2,
          width: 128,
          hidden: 512,
          blocks: 2,
          imageSize: 48,
          patchSize: 8,
        },
        text: {
          ...common,
          heads: 1,
          width: 64,
          hidden: 256,
          blocks: 1,
          contextLength: 77,
          vocabSize: 49408,
          vocabulary: null,
        },
      });
    }
  },
});

Deno.test({
  name: "openClipFile() joins query, key and value, and transposes projections, of Hugging Face",
  ignore,
  async fn() {
    using file = await openClipFile(fixturePath("clip/vit_b/huggingface"));
    const ref = await fixture("clip/vit_b/huggingface/model.safetensors");
    const qkv = file.weights.image.get("blocks.1.qkv.bias")!;
    assert.deepEqual(qkv.shape, [384]);
    const attention = "vision_model.encoder.layers.1.self_attn";
    assert.deepEqual(
      [...await qkv.read()],
      ["q", "k", "v"].flatMap((part) => [...ref[`${attention}.${part}_proj.bias`]!.data]),
    );
    const projection = file.weights.text.get("projection")!;
    assert.deepEqual(projection.shape, [64, 32]);
    assert.equal(
      (await projection.read())[5 * 32 + 3],
      ref["text_projection.weight"]!.data[3 * 64 + 5],
    );
  },
});

Deno.test({
  name: "openClipFile() reads the architecture of a ResNet from its shapes",
  ignore,
  async fn() {
    for (const name of ["state_dict", "jit"]) {
      using file = await openClipFile(fixturePath(`clip/rn/${name}.pt`));
      assert.deepEqual(file.architecture.image, {
        kind: "resnet",
        imageSize: 64,
        width: 8,
        layers: [2, 2, 2, 2],
        heads: 4,
      });
      assert.equal(file.architecture.features, 48);
    }
  },
});

/** What opening says of the tiny model after a change to its tensors. */
async function refusal(
  change: (tensors: Map<string, TensorData>) => void,
  tensors = tinyTensors(),
): Promise<string> {
  using folder = temporaryFolder();
  change(tensors);
  const path = await writeTiny(folder.file("clip.safetensors"), tensors);
  try {
    using _ = await openClipFile(path);
  } catch (error) {
    assert.ok(error instanceof Error && error.name === "CheckpointError", String(error));
    return error.message.replace(path, "clip.safetensors");
  }
  throw new Error("the file was accepted");
}

const zeros = (...shape: number[]): TensorData => ({
  shape,
  data: new Float32Array(shape.reduce((product, size) => product * size, 1)),
});

Deno.test("openClipFile() names the tensor that is missing", async () => {
  for (
    const name of ["visual.proj", "transformer.resblocks.0.mlp.c_fc.bias", "logit_scale"]
  ) {
    assert.match(
      await refusal((tensors) => tensors.delete(name)),
      new RegExp(`^Cannot load CLIP from "clip.safetensors": "${name}" is missing;`),
    );
  }
});

Deno.test("openClipFile() misses a whole block, and blocks where there are none", async () => {
  const without = (pattern: RegExp) =>
    refusal((tensors) => {
      for (const name of [...tensors.keys()]) if (pattern.test(name)) tensors.delete(name);
    });
  assert.match(
    await without(/^visual.transformer.resblocks.0/),
    /"visual.transformer.resblocks.0.ln_1.weight" is missing/,
  );
  assert.match(await without(/^transformer/), /"transformer.resblocks.0.ln_1.weight" is missing/);
});

Deno.test("openClipFile() gives found and expected shape of a wrong tensor", async () => {
  const cases: [string, TensorData, string][] = [
    ["visual.proj", zeros(3, 64), "[3,64], [64,64]"],
    ["visual.class_embedding", zeros(64, 1), "[64,1], [64]"],
    ["visual.conv1.weight", zeros(64, 3, 3), "[64,3,3], [64,3,3,3]"],
    ["visual.conv1.weight", zeros(64, 4, 3, 3), "[64,4,3,3], [64,3,3,3]"],
    ["token_embedding.weight", zeros(350), "[350], [350,width]"],
    ["transformer.resblocks.0.attn.in_proj_weight", zeros(128, 128), "[128,128], [384,128]"],
    ["logit_scale", zeros(2), "[2], []"],
  ];
  for (const [name, data, shapes] of cases) {
    assert.equal(
      await refusal((tensors) => tensors.set(name, data)),
      `Cannot load "${name}" from "clip.safetensors": it has shape ${shapes} was expected`,
    );
  }
});

Deno.test("openClipFile() refuses towers that do not fit together, and odd numbers of patches", async () => {
  assert.match(
    await refusal((tensors) => tensors.set("text_projection", zeros(128, 4))),
    /its images have 3 features and its texts 4; as many were expected/,
  );
  assert.match(
    await refusal((tensors) => tensors.set("visual.positional_embedding", zeros(7, 64))),
    /its images have 7 positions; one for the class and a square number/,
  );
});

Deno.test("openClipFile() counts the blocks of each layer of a ResNet", async () => {
  using folder = temporaryFolder();
  using file = await openClipFile(await writeTiny(folder.file("rn.pt"), tinyResNetTensors()));
  assert.deepEqual(file.architecture.image, {
    kind: "resnet",
    imageSize: 32,
    width: 4,
    layers: [1, 2, 1, 1],
    heads: 2,
  });
});

Deno.test("openClipFile() says what is missing from a ResNet, or of another shape", async () => {
  const cases: [string, TensorData | null, RegExp][] = [
    ["visual.conv1.weight", null, /"visual.conv1.weight" is missing/],
    ["visual.bn2.running_var", null, /"visual.bn2.running_var" is missing/],
    ["visual.layer4.0.downsample.0.weight", null, /downsample.0.weight" is missing/],
    ["visual.layer2.1.conv1.weight", zeros(8, 16, 1, 1), /\[8,16,1,1\], \[8,32,1,1\] was expected/],
    ["visual.layer1.0.bn3.running_mean", zeros(8), /\[8\], \[16\] was expected/],
    ["visual.attnpool.positional_embedding", zeros(3, 128), /3 positions; one for the mean and a/],
  ];
  for (const [name, data, message] of cases) {
    const change = (tensors: Map<string, TensorData>) =>
      data ? tensors.set(name, data) : tensors.delete(name);
    assert.match(await refusal(change, tinyResNetTensors()), message);
  }
  const withoutLayer3 = await refusal((tensors) => {
    for (const name of [...tensors.keys()]) {
      if (name.startsWith("visual.layer3.")) tensors.delete(name);
    }
  }, tinyResNetTensors());
  assert.match(withoutLayer3, /"visual.layer3.0.conv1.weight" is missing/);
});

Deno.test("a weight's read() folds the batch norm into the convolution", async () => {
  using folder = temporaryFolder();
  const tensors = tinyResNetTensors();
  const set = (name: string, ...values: number[]) =>
    tensors.set(`visual.${name}`, { shape: [2], data: Float32Array.from(values) });
  set("bn1.weight", 3, -2);
  set("bn1.bias", 0.5, 1);
  set("bn1.running_mean", 4, 5);
  set("bn1.running_var", 0.25, 4);
  const path = await writeTiny(folder.file("rn.safetensors"), tensors);
  using file = await openClipFile(path);
  const weight = file.weights.image.get("stem.0.weight")!;
  assert.deepEqual(weight.shape, [2, 3, 3, 3]);
  const convolution = tensors.get("visual.conv1.weight")!.data;
  const scales = [3 / Math.sqrt(0.25 + 1e-5), -2 / Math.sqrt(4 + 1e-5)];
  const expected = [...convolution].map((x, i) => x * scales[i < 27 ? 0 : 1]!);
  assertClose(await weight.read(), expected, 1e-7);
  const bias = [0.5 - 4 * scales[0]!, 1 - 5 * scales[1]!];
  assertClose(await file.weights.image.get("stem.0.bias")!.read(), bias, 1e-7);
});

Deno.test("a weight's read() refuses a negative variance", async () => {
  using folder = temporaryFolder();
  const tensors = tinyResNetTensors();
  tensors.get("visual.layer2.1.bn3.running_var")!.data[5] = -0.5;
  const path = await writeTiny(folder.file("rn.safetensors"), tensors);
  using file = await openClipFile(path);
  for (const name of ["weight", "bias"]) {
    await assert.rejects(file.weights.image.get(`layers.1.1.expand.${name}`)!.read(), {
      name: "CheckpointError",
      message: /^Cannot load "visual.layer2.1.bn3.running_var" from .*: element 5 is -0.5;/,
    });
  }
});

Deno.test("openClipFile() says what it found in place of a CLIP", async () => {
  const message = await refusal((tensors) => {
    tensors.clear();
    tensors.set("conv1.weight", zeros(2, 2));
  });
  assert.match(message, /it is no CLIP model, its 1 tensors \("conv1.weight"\) have neither/);
});

Deno.test("openClipFile() refuses a folder without weights, and Hugging Face's without config", async () => {
  using folder = temporaryFolder();
  await assert.rejects(openClipFile(folder.path), {
    name: "CheckpointError",
    message: /the folder has no "model.safetensors" and no "pytorch_model.bin" and no "open_clip/,
  });
  const name = "vision_model.embeddings.patch_embedding.weight";
  await writeSafetensors(folder.file("model.safetensors"), [[name, zeros(2, 3, 1, 1)]]);
  await assert.rejects(openClipFile(folder.path), {
    name: "CheckpointError",
    message: /config.json", which says how many heads it has, cannot be read/,
  });
  await Deno.writeTextFile(folder.file("config.json"), "{");
  await assert.rejects(openClipFile(folder.path), { message: /config.json".*, is not JSON;/ });
});

Deno.test("a weight's read() refuses NaN and infinity and names the tensor and the element", async () => {
  using folder = temporaryFolder();
  for (const value of [NaN, Infinity, -Infinity]) {
    const tensors = tinyTensors();
    tensors.get("visual.ln_post.bias")!.data[7] = value;
    const path = await writeTiny(folder.file("clip.safetensors"), tensors);
    using file = await openClipFile(path);
    await file.weights.image.get("norm_post.weight")!.read();
    await assert.rejects(file.weights.image.get("norm_post.bias")!.read(), {
      name: "CheckpointError",
      message: new RegExp(`^Cannot load "visual.ln_post.bias" from .*: element 7 is ${value};`),
    });
  }
});
