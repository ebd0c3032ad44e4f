import assert from "node:assert/strict";
import { cosines, cosineTable } from "../../commands/cosine_table.ts";

Deno.test("cosines() does not depend on the lengths of the features", () => {
  const images = [Float32Array.of(3, 0), Float32Array.of(0, -0.1)];
  const texts = [Float32Array.of(1, 1)];
  const [one, other] = cosines(images, texts).flat();
  assert.ok(Math.abs(one! - Math.SQRT1_2) < 1e-7 && Math.abs(other! + Math.SQRT1_2) < 1e-7);
});

Deno.test("cosineTable() stays within its width, numbering texts that are too long", () => {
  const texts = ["a photo of a cat on a mat", "a dog", "x", "y", "z"];
  const values = [[0.5, -0.25, 1, -1, 0]];
  assert.deepEqual(cosineTable(["cat.png"], texts, values, 36), [
    "               1        2        3",
    "cat.png   0.5000  -0.2500   1.0000",
    "",
    "               4        5",
    "cat.png  -1.0000   0.0000",
    "",
    "1  a photo of a cat on a mat",
    "2  a dog",
    "3  x",
    "4  y",
    "5  z",
  ]);
  for (const width of [30, 47, 80]) {
    const lines = cosineTable(["cat.png", "n".repeat(99)], texts, [values[0]!, values[0]!], width);
    assert.ok(lines.every((line) => line.length <= Math.max(33, width)), lines.join("\n"));
  }
});

Deno.test("cosineTable() shows the first 40 images and counts the others", () => {
  const names = Array.from({ length: 45 }, (_, i) => `image ${i}`);
  const lines = cosineTable(names, ["x"], names.map(() => [0]), 80);
  assert.equal(lines.length, 1 + 40 + 1);
  assert.equal(lines.at(-1), "and 5 more images");
});
