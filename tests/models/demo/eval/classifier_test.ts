import assert from "node:assert/strict";
import { ShapeError } from "../../../../lib/errors.ts";
import { assess } from "../../../../models/demo/eval/assessment.ts";
import { StyleClassifier } from "../../../../models/demo/eval/classifier.ts";
import { features } from "../../../../models/demo/eval/features.ts";
import { type Picture, truth } from "../../../../models/demo/world/mod.ts";
import { latentFromSeed } from "../../../../models/generator/latents.ts";
import { assertClose } from "../../../assert.ts";

Deno.test("features() do not change with brightness and contrast", () => {
  const picture = truth(latentFromSeed(9100, 64), "photo");
  const flat: Picture = { size: 64, data: picture.data.map((value) => 0.5 * value + 0.3) };
  // Floors against division by 0, such as 1e-3 of a deviation of about 0.1, count twice as much.
  assertClose(features(flat), features(picture), 0.01);
});

Deno.test("features() refuses a picture of another size", () => {
  const picture = truth(latentFromSeed(9100, 64), "photo", 32);
  assert.throws(() => features(picture), ShapeError);
});

Deno.test("StyleClassifier names held-out styles and is not fooled by their tone", () => {
  const { accuracy, fooled } = assess(StyleClassifier.train(30), 12);
  assert.ok(accuracy > 0.97, `${accuracy}`);
  for (const shares of Object.values(fooled)) {
    for (const [style, share] of Object.entries(shares)) {
      assert.ok(share <= 0.25, `${share} of the photos in the tone of ${style} pass for it`);
    }
  }
});
