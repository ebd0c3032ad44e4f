import assert from "node:assert/strict";
import { grad } from "../../../lib/graph/grad.ts";
import { constant, input } from "../../../lib/graph/tensor.ts";
import { Clip } from "../../../models/clip/mod.ts";
import { directionalLoss, editDirection } from "../../../models/nada/losses.ts";
import { textDirection } from "../../../models/nada/text_direction.ts";
import { assertClose } from "../../assert.ts";
import { fixture, fixtureJson, fixturePath, hasFixtures } from "../../fixtures.ts";
import { evaluate, normals, seededRandom, testGpu } from "../../gpu.ts";

interface Settings {
  source_class: string;
  target_class: string;
  templates: string[];
}

Deno.test({
  name: "directionalLoss() and textDirection() equal the original's, with their gradient",
  ignore: !hasFixtures,
}, async () => {
  const settings = await fixtureJson<Settings>("losses/losses.json");
  const expected = await fixture("losses/losses.safetensors");
  const clip = await Clip.open(await testGpu(), fixturePath("clip/vit_a/state_dict.pt"));
  const fill = (text: string) => settings.templates.map((t) => t.replace("{}", text));
  const direction = textDirection(
    await clip.encodeTexts(fill(settings.source_class)),
    await clip.encodeTexts(fill(settings.target_class)),
  );
  const figures = [assertClose(direction, expected.text_direction!.data, 1e-5, "text direction")];

  const { shape } = expected["input.source_image"]!;
  const [source, target] = [input("source", shape), input("target", shape)];
  const loss = directionalLoss(
    clip.imageFeatures(source),
    clip.imageFeatures(target),
    constant(direction, [1, direction.length]),
  );
  const [gradient] = grad(loss, [target]);
  const actual = await evaluate({ loss, gradient: gradient! }, {
    source: expected["input.source_image"]!.data,
    target: expected["input.target_image"]!.data,
  }, await clip.imageState());
  const wanted = expected["directional_cosine.value"]!.data[0]!;
  assert.ok(Math.abs(actual.loss[0]! - wanted) <= 2e-6, `loss ${actual.loss[0]}, not ${wanted}`);
  const wantedGradient = expected["directional_cosine.grad_target"]!.data;
  figures.push(assertClose(actual.gradient, wantedGradient, 2e-5, "gradient"));
  console.log(`text direction, gradient: ${figures.map((f) => f.toExponential(1)).join(", ")}`);
  clip.dispose();
});

Deno.test("directionalLoss() of equal images is 1, and its gradient finite and along the text", async () => {
  const features = normals(2 * 48, seededRandom(3));
  const [frozen, adapted] = [input("frozen", [2, 48]), input("adapted", [2, 48])];
  const direction = normals(48, seededRandom(4));
  const loss = directionalLoss(frozen, adapted, constant(direction, [1, 48]));
  const [gradient] = grad(loss, [adapted]);
  const actual = await evaluate(
    { loss, gradient: gradient!, edit: editDirection(frozen, adapted) },
    { frozen: features, adapted: features.map((x) => Math.fround(x * (1 + 2 ** -23))) },
  );
  assert.ok(Math.abs(actual.loss[0]! - 1) < 1e-3);
  assert.ok(actual.edit.every((x) => Math.abs(x) < 1e-3));
  assert.ok(actual.gradient.every(Number.isFinite));
  // Moving the features against the gradient moves them along the text direction.
  for (const row of [0, 1]) {
    const along = direction.reduce((s, d, k) => s - d * actual.gradient[row * 48 + k]!, 0);
    assert.ok(along > 0.1);
  }
});
