import assert from "node:assert/strict";
import { grad } from "../../../lib/graph/grad.ts";
import { mean, square, sub, sum } from "../../../lib/graph/ops/mod.ts";
import { constant, input, numel } from "../../../lib/graph/tensor.ts";
import { Clip } from "../../../models/clip/clip.ts";
import { preprocess } from "../../../models/clip/preprocess.ts";
import { assertClose, relativeError } from "../../assert.ts";
import { fixture, fixtureJson, fixturePath, hasFixtures } from "../../fixtures.ts";
import { evaluate, normals, seededRandom, testGpu } from "../../gpu.ts";
import { temporaryFolder } from "../../temporary.ts";
import { tinyResNetTensors, tinyTensors, writeTiny } from "./tiny.ts";

const ignore = !hasFixtures;

/** `tokens` and, for a model beside the one of the file, `small_vocab_tokens` are token ids. */
interface Expected {
  prompts: string[];
  tokens: number[][];
  small_vocab_tokens: number[][];
}

const MODELS = { vit_a: "clip/vit_a/state_dict.pt", vit_b: "clip/vit_b/huggingface" };

/**
 * The reference's own float32 error is up to 2e-6 of the root mean square; other orders of summing
 * give a few times as much.
 */
const TOLERANCE = 1e-5;

async function withClip(path: string, use: (clip: Clip) => Promise<void>): Promise<void> {
  const clip = await Clip.open(await testGpu(), path);
  try {
    await use(clip);
  } finally {
    clip.dispose();
  }
}

async function withTiny(
  use: (clip: Clip) => Promise<void>,
  tensors = tinyTensors(),
): Promise<void> {
  using folder = temporaryFolder();
  await withClip(await writeTiny(folder.file("clip.safetensors"), tensors), use);
}

function randomImages(n: number, height: number, width: number) {
  const shape = [n, 3, height, width];
  return { shape, data: normals(numel(shape), seededRandom(n)) };
}

const joined = (rows: readonly Float32Array[]) => rows.flatMap((row) => [...row]);

/** `scale * cosine` for each image (row) and text (column). */
function logits(images: Float32Array[], texts: Float32Array[], scale: number): number[] {
  const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, k) => sum + x * b[k]!, 0);
  const cosine = (a: Float32Array, b: Float32Array) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
  return images.flatMap((image) => texts.map((text) => scale * cosine(image, text)));
}

for (const [model, path] of Object.entries(MODELS)) {
  Deno.test({
    name: `Clip gives the features and logits of the original ${model}`,
    ignore,
    async fn() {
      const ref = await fixture(`clip/${model}/expected.safetensors`);
      const { prompts } = await fixtureJson<Expected>(`clip/${model}/expected.json`);
      await withClip(fixturePath(path), async (clip) => {
        const texts = await clip.encodeTexts(prompts);
        const images = await clip.encodeImages(ref["input.image"]!, "none");
        const actual = {
          text_features: joined(texts),
          image_features: joined(images),
          logits_per_image: logits(images, texts, await clip.logitScale()),
        };
        for (const [name, values] of Object.entries(actual)) {
          const error = assertClose(values, ref[name]!.data, TOLERANCE, name);
          console.log(`${model} ${name}: ${error.toExponential(1)}`);
        }
      });
    },
  });
}

Deno.test({
  name: "Clip gives the features of the original for a TorchScript archive with 600 tokens",
  ignore,
  async fn() {
    const ref = await fixture("clip/vit_a/expected.safetensors");
    const expected = await fixtureJson<Expected>("clip/vit_a/expected.json");
    await withClip(fixturePath("clip/vit_a/small_vocab_jit.pt"), async (clip) => {
      const texts = await clip.encodeTokens(expected.small_vocab_tokens);
      const images = await clip.encodeImages(ref["input.image"]!, "none");
      const scale = await clip.logitScale();
      const actual = {
        text_features: joined(texts),
        logits_per_image: logits(images, texts, scale),
      };
      for (const [name, values] of Object.entries(actual)) {
        const error = assertClose(values, ref[`small_vocab.${name}`]!.data, TOLERANCE, name);
        console.log(`small_vocab ${name}: ${error.toExponential(1)}`);
      }
      // "wooden" is no row of the short token table.
      await assert.rejects(clip.encodeTexts(["a wooden boat"]), {
        name: "UserError",
        message: /the model's vocabulary ends at 597/,
      });
    });
  },
});

for (const name of ["state_dict", "jit"]) {
  Deno.test({
    name: `Clip gives the features and logits of the original ResNet in ${name}.pt`,
    ignore,
    async fn() {
      const ref = await fixture("clip/rn/expected.safetensors");
      const { tokens } = await fixtureJson<Expected>("clip/rn/expected.json");
      await withClip(fixturePath(`clip/rn/${name}.pt`), async (clip) => {
        const texts = await clip.encodeTokens(tokens);
        const images = await clip.encodeImages(ref["input.image"]!, "none");
        const actual = {
          text_features: joined(texts),
          image_features: joined(images),
          logits_per_image: logits(images, texts, await clip.logitScale()),
        };
        for (const [result, values] of Object.entries(actual)) {
          const error = assertClose(values, ref[result]!.data, TOLERANCE, result);
          console.log(`rn ${name} ${result}: ${error.toExponential(1)}`);
        }
      });
    },
  });
}

Deno.test({
  name: "imageStages() of a ResNet have the reference's texture loss and its gradient",
  ignore,
  async fn() {
    const ref = await fixture("losses/losses.safetensors");
    const [x, texture] = [ref["input.target_image"]!, ref["input.texture_image"]!];
    await withClip(fixturePath("clip/rn/state_dict.pt"), async (clip) => {
      const image = input("image", x.shape);
      const target = clip.imageStages(constant(texture.data, texture.shape)).features;
      const loss = mean(square(sub(clip.imageStages(image).features, target)));
      const [gradient] = grad(loss, [image]);
      const actual = await evaluate(
        { loss, gradient: gradient! },
        { image: x.data },
        await clip.imageState(),
      );
      // The features are nearly equal, and their difference has 3e-6 of rounding in the reference.
      const errors = [
        assertClose(actual.loss, ref["texture.value"]!.data, 2 * TOLERANCE),
        assertClose(actual.gradient, ref["texture.grad_target"]!.data, 2 * TOLERANCE),
      ];
      console.log(`rn texture loss and gradient: ${errors.map((e) => e.toExponential(1))}`);
    });
  },
});

Deno.test("Clip puts nothing on the device before it is needed, and frees all of it", async () => {
  const gpu = await testGpu();
  const before = { ...gpu.allocated };
  const tower = (clip: Clip) => {
    const weights = clip.imageState().then((state) => Object.values(state));
    return weights.then((all) => all.reduce((sum, tensor) => sum + tensor.range.bytes, 0));
  };
  await withTiny(async (clip) => {
    assert.deepEqual(gpu.allocated, before);
    await clip.encodeTexts(["a b c"]);
    assert.deepEqual(gpu.allocated, before);
    await clip.encodeImages(randomImages(1, 6, 6), "none");
    assert.equal(gpu.allocated.bytes, before.bytes + await tower(clip));
  });
  assert.deepEqual(gpu.allocated, before);
});

Deno.test("Clip frees the text tower's memory when its weights turn out to be broken", async () => {
  const gpu = await testGpu();
  const before = { ...gpu.allocated };
  const tensors = tinyTensors();
  tensors.get("ln_final.bias")!.data[0] = NaN;
  await withTiny(async (clip) => {
    await assert.rejects(clip.encodeTexts(["a b c"]), {
      name: "CheckpointError",
      message: /"ln_final.bias" .* element 0 is NaN/,
    });
    assert.deepEqual(gpu.allocated, before);
  }, tensors);
});

Deno.test("encodeTexts() and encodeImages() give each sample the same whatever it comes with", async () => {
  await withTiny(async (clip) => {
    // 19 samples make a full batch and a partial one; the texts have different lengths.
    const texts = Array.from(
      { length: 19 },
      (_, i) => "abcde".slice(0, 1 + i % 5).split("").join(" "),
    );
    const together = await clip.encodeTexts(texts);
    const images = randomImages(19, 7, 9);
    const features = await clip.encodeImages(images);
    assert.equal(together.length, 19);
    assert.equal(features.length, 19);
    for (const i of [0, 4, 15, 16, 18]) {
      const [text] = await clip.encodeTexts([texts[i]!]);
      assertClose(together[i]!, text!, 1e-5, `text ${i}`);
      const data = images.data.subarray(i * 189, (i + 1) * 189);
      const [image] = await clip.encodeImages({ shape: [1, 3, 7, 9], data });
      assertClose(features[i]!, image!, 1e-5, `image ${i}`);
    }
    assert.ok(relativeError(together[0]!, together[4]!) > 0.01, "texts of different words differ");
    assert.ok(relativeError(features[0]!, features[4]!) > 0.01, "different images differ");
  });
});

Deno.test("encodeImages() of a ResNet gives each image the same whatever it comes with", async () => {
  await withTiny(async (clip) => {
    const images = randomImages(19, 37, 33);
    const features = await clip.encodeImages(images);
    for (const i of [0, 15, 18]) {
      const data = images.data.subarray(i * 3663, (i + 1) * 3663);
      const [image] = await clip.encodeImages({ shape: [1, 3, 37, 33], data });
      assertClose(features[i]!, image!, 1e-5, `image ${i}`);
    }
    assert.ok(relativeError(features[0]!, features[4]!) > 0.01, "different images differ");
  }, tinyResNetTensors());
});

Deno.test("encodeImages() preprocesses images as it was asked to", async () => {
  await withTiny(async (clip) => {
    const images = randomImages(2, 17, 20);
    for (const variant of ["bicubic", "bicubic-antialias"] as const) {
      const leaf = input("images", images.shape);
      const { pixels } = await evaluate({ pixels: preprocess(leaf, 6, variant) }, {
        images: images.data,
      });
      const expected = await clip.encodeImages({ shape: [2, 3, 6, 6], data: pixels }, "none");
      assertClose(joined(await clip.encodeImages(images, variant)), joined(expected), 1e-5);
    }
  });
});

Deno.test("encodeTexts() of no texts is empty, and texts that are too long are refused", async () => {
  await withTiny(async (clip) => {
    assert.deepEqual(await clip.encodeTexts([]), []);
    await assert.rejects(clip.encodeTexts(["a b c d e f g h"]), {
      name: "UserError",
      message: /it has 10 tokens with start and end, the model reads at most 9/,
    });
  });
});

Deno.test("encodeTokens() refuses ids that the model has no rows for", async () => {
  await withTiny(async (clip) => {
    for (const ids of [[], [350], [-1], [0.5], [NaN], new Array<number>(10).fill(1)]) {
      await assert.rejects(clip.encodeTokens([[348, 349], ids]), {
        name: "UserError",
        message:
          /^Cannot encode the token ids .*: the model takes 1 to 9 whole numbers from 0 to 349/,
      });
    }
  });
});

Deno.test("imageFeatures() of two models stand in one program, with a gradient to the image", async () => {
  using folder = temporaryFolder();
  const other = tinyTensors();
  other.get("visual.proj")!.data.forEach((x, i, data) => data[i] = 2 * x);
  const gpu = await testGpu();
  const clips = [
    await Clip.open(gpu, await writeTiny(folder.file("a.safetensors"))),
    await Clip.open(gpu, await writeTiny(folder.file("b.safetensors"), other)),
  ] as const;
  try {
    const images = randomImages(2, 8, 8);
    const image = input("image", images.shape);
    const a = clips[0].imageFeatures(image);
    const b = clips[1].imageFeatures(image);
    const [gradA] = grad(sum(a), [image]);
    const [gradB] = grad(sum(b), [image]);
    const values = await evaluate({ a, b, gradA: gradA!, gradB: gradB! }, { image: images.data }, {
      ...await clips[0].imageState(),
      ...await clips[1].imageState(),
    });
    const doubled = (x: Float32Array) => x.map((value) => 2 * value);
    assertClose(values.b, doubled(values.a), 1e-5);
    assertClose(values.gradB, doubled(values.gradA), 1e-5);
    assert.ok(values.gradA.some((x) => x !== 0));
  } finally {
    clips.forEach((clip) => clip.dispose());
  }
});
