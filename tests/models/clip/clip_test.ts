import assert from "node:assert/strict";
import { vjp } from "../../../lib/graph/grad.ts";
import { input, state, type Tensor } from "../../../lib/graph/tensor.ts";
import { Clip } from "../../../models/clip/clip.ts";
import { assertClose, relativeError } from "../../assert.ts";
import { fixture, fixtureJson, fixturePath, hasFixtures } from "../../fixtures.ts";
import { evaluate, normals, seededRandom, testGpu } from "../../gpu.ts";
import { temporaryFolder } from "../../temporary.ts";
import { writeTiny } from "./tiny.ts";

const ignore = !hasFixtures;

interface Expected {
  prompts: string[];
  small_vocab_tokens: number[][];
}

const MODELS = {
  vit_a: { path: "clip/vit_a/state_dict.pt", blocks: 3 },
  vit_b: { path: "clip/vit_b/huggingface", blocks: 2 },
};

/**
 * The reference's own float32 error is up to 2e-6 of the root mean square; other orders of summing
 * give a few times as much.
 */
const TOLERANCE = 1e-5;

const joined = (rows: readonly Float32Array[]) => rows.flatMap((row) => [...row]);

/** `scale * cosine` for each image (row) and text (column). */
function logits(images: Float32Array[], texts: Float32Array[], scale: number): number[] {
  const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, k) => sum + x * b[k]!, 0);
  const cosine = (a: Float32Array, b: Float32Array) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
  return images.flatMap((image) => texts.map((text) => scale * cosine(image, text)));
}

for (const [model, { path, blocks }] of Object.entries(MODELS)) {
  Deno.test({
    name: `Clip gives the features and logits of the original ${model}`,
    ignore,
    async fn() {
      const ref = await fixture(`clip/${model}/expected.safetensors`);
      const { prompts } = await fixtureJson<Expected>(`clip/${model}/expected.json`);
      const clip = await Clip.open(await testGpu(), fixturePath(path));
      try {
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
      } finally {
        clip.dispose();
      }
    },
  });
}
