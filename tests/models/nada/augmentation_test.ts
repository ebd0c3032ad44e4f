import assert from "node:assert/strict";
import { input } from "../../../lib/graph/tensor.ts";
import { augment, windowSize, WindowStream } from "../../../models/nada/augmentation.ts";
import { MixingStream } from "../../../models/nada/random_latents.ts";
import { evaluate, normals, seededRandom } from "../../gpu.ts";

Deno.test("augment() cuts a window out of each image and mirrors some", async () => {
  const images = normals(2 * 3 * 9 * 9, seededRandom(3));
  const s = windowSize(9);
  assert.equal(s, 8);
  const windows = augment(input("images", [2, 3, 9, 9]), {
    corners: input("corners", [2, 2], "u32"),
    mirrored: input("mirrored", [2]),
  });
  const { out } = await evaluate({ out: windows }, {
    images,
    corners: Uint32Array.of(0, 1, 1, 0),
    mirrored: Float32Array.of(0, 1),
  });
  const expected = Float32Array.from(out, (_, i) => {
    const [n, c] = [Math.floor(i / (3 * s * s)), Math.floor(i / (s * s)) % 3];
    const [y, x] = [Math.floor(i / s) % s, i % s];
    const [row, column] = n === 0 ? [y, x + 1] : [y + 1, s - 1 - x];
    return images[((n * 3 + c) * 9 + row) * 9 + column]!;
  });
  assert.deepEqual(out, expected);
});

Deno.test("WindowStream gives windows inside the images, everywhere and both ways", () => {
  const stream = new WindowStream(5, 16, 3);
  const seen = { corners: new Set<number>(), mirrored: new Set<number>() };
  for (let step = 0; step < 50; step++) {
    const { corners, mirrored } = stream.next();
    assert.deepEqual([corners.length, mirrored.length], [6, 3]);
    corners.forEach((corner) => seen.corners.add(corner));
    mirrored.forEach((value) => seen.mirrored.add(value));
  }
  assert.deepEqual(seen, { corners: new Set([0, 1, 2]), mirrored: new Set([0, 1]) });
  const resumed = new WindowStream(5, 16, 3, 50);
  assert.deepEqual(resumed.next(), stream.next());
});

Deno.test("MixingStream mixes as often as it is told to, with rows of both", () => {
  const sizes = { wCount: 6, countPerStep: 4 };
  const stream = new MixingStream(1, 0.3, sizes);
  const firsts = Array.from(
    { length: 400 },
    () => stream.next().useFirst.reduce((sum, value) => sum + value, 0),
  );
  const mixed = firsts.filter((count) => count < 6);
  assert.ok(mixed.length > 80 && mixed.length < 160, `${mixed.length} of 400`);
  assert.deepEqual([...new Set(mixed)].sort(), [1, 2, 3, 4, 5]);
  assert.deepEqual(new MixingStream(1, 0.3, sizes, 400).next(), stream.next());
});
