import assert from "node:assert/strict";
import { vjp } from "../../../lib/graph/grad.ts";
import { constant, input, type Tensor } from "../../../lib/graph/tensor.ts";
import { imageStages } from "../../../models/clip/image.ts";
import type { Tower } from "../../../models/clip/names.ts";
import { encodeText } from "../../../models/clip/text.ts";
import { gelu, type Parameters } from "../../../models/clip/transformer.ts";
import { type ClipFile, openClipFile } from "../../../models/clip/weights.ts";
import { assertClose } from "../../assert.ts";
import { fixture, fixturePath, hasFixtures } from "../../fixtures.ts";
import { evaluate, normals, seededRandom } from "../../gpu.ts";
import { temporaryFolder } from "../../temporary.ts";
import { writeTiny } from "./tiny.ts";

/** A tower's weights as constants. */
async function constants(file: ClipFile, tower: Tower): Promise<Parameters> {
  const made = new Map<string, Tensor>();
  for (const [name, weight] of file.weights[tower]) {
    made.set(name, constant(await weight.read(), weight.shape));
  }
  return (name) => made.get(name)!;
}

/**
 * The reference's own float32 error is up to 1e-5 of a stage's root mean square; other orders of
 * summing give as much again.
 */
const TOLERANCE = 2e-5;

const MODELS = [
  { model: "vit_a", path: "state_dict.pt", stem: "ln_pre", layer: (i: number) => `block${i}` },
  { model: "vit_b", path: "huggingface", stem: "ln_pre", layer: (i: number) => `block${i}` },
  { model: "rn", path: "state_dict.pt", stem: "stem", layer: (i: number) => `layer${i + 1}` },
];

for (const { model, path, stem, layer } of MODELS) {
  Deno.test({
    name: `imageStages() of ${model} are those of the original, as is the gradient of the image`,
    ignore: !hasFixtures,
    async fn() {
      const ref = await fixture(`clip/${model}/expected.safetensors`);
      using file = await openClipFile(fixturePath(`clip/${model}/${path}`));
      const image = input("image", ref["input.image"]!.shape);
      const cotangent = input("cotangent", ref["input.cotangent"]!.shape);
      const p = await constants(file, "image");
      const stages = imageStages(p, file.architecture.image, image);
      const [gradImage] = vjp(stages.features, cotangent, [image]);
      const outputs: Record<string, Tensor> = {
        [`image_layer.${stem}`]: stages.stem,
        ...Object.fromEntries(stages.layers.map((x, i) => [`image_layer.${layer(i)}`, x])),
        image_features: stages.features,
        grad_image: gradImage!,
      };
      const actual = await evaluate(outputs, {
        image: ref["input.image"]!.data,
        cotangent: ref["input.cotangent"]!.data,
      });
      const stored = Object.keys(ref).filter((name) => name.startsWith("image_layer."));
      assert.equal(stages.layers.length + 1, stored.length);
      for (const name of Object.keys(outputs)) {
        assert.deepEqual(outputs[name]!.shape, ref[name]!.shape);
        const error = assertClose(actual[name]!, ref[name]!.data, TOLERANCE, name);
        console.log(`${model} ${name}: ${error.toExponential(1)}`);
      }
    },
  });
}

Deno.test("encodeText() sees nothing behind the end of a text", async () => {
  using folder = temporaryFolder();
  using file = await openClipFile(await writeTiny(folder.file("clip.safetensors")));
  const p = await constants(file, "text");
  const { width } = file.architecture.text;
  const rows = normals(9 * width, seededRandom(1));
  const features = async (length: number) => {
    const tokens = constant(rows.slice(0, length * width), [1, length, width]);
    const end = constant(Float32Array.from({ length }, (_, i) => i === 3 ? 1 : 0), [1, length]);
    const text = encodeText(p, file.architecture.text, { tokens, end });
    return (await evaluate({ text })).text;
  };
  assertClose(await features(9), await features(4), 1e-6);
});

Deno.test("gelu() is x times the normal distribution function, with its gradient", async () => {
  const data = Float32Array.from({ length: 121 }, (_, i) => (i - 60) / 10);
  const x = input("x", [121]);
  const y = gelu(x);
  const [gx] = vjp(y, constant(new Float32Array(121).fill(1), [121]), [x]);
  const actual = await evaluate({ y, gx: gx! }, { x: data });
  const density = (t: number) => Math.exp(-t * t / 2) / Math.sqrt(2 * Math.PI);
  const expectedY: number[] = [];
  const expectedGx: number[] = [];
  for (const t of data) {
    // Φ by Simpson's rule from 0: its error is far below float32's.
    const n = 400;
    let area = density(0) + density(t);
    for (let k = 1; k < n; k++) area += (k % 2 === 1 ? 4 : 2) * density(t * k / n);
    const phi = 0.5 + area * t / n / 3;
    expectedY.push(t * phi);
    expectedGx.push(phi + t * density(t));
  }
  assertClose(actual.y, expectedY, 1e-6);
  assertClose(actual.gx, expectedGx, 1e-5);
});
