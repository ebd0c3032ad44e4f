import assert from "node:assert/strict";
import {
  captionedPictures,
  directionTexts,
  OTHERS,
  picturePairs,
  STYLES_EACH,
} from "../../../../models/demo/train/clip_batches.ts";
import { StepRandom } from "../../../../models/demo/train/random.ts";
import { drawLayers, drawPlanes, moved } from "../../../../models/demo/train/scenes.ts";
import { cutVocabulary, Texts } from "../../../../models/demo/train/texts.ts";
import { truth } from "../../../../models/demo/world/mod.ts";
import { assertClose } from "../../../assert.ts";

const SIDE = 16;

Deno.test("StepRandom is the same for a seed and step, and another for others", () => {
  const first = (seed: number, step: number) => new StepRandom(seed, step).normals(3);
  assert.deepEqual(first(1, 5), first(1, 5));
  assert.notDeepEqual(first(1, 5), first(1, 6));
  assert.notDeepEqual(first(1, 5), first(2, 5));
  const some = new StepRandom(1, 1).some([1, 2, 3, 4, 5], 5);
  assert.deepEqual(some.toSorted(), [1, 2, 3, 4, 5]);
});

Deno.test("drawPlanes() gives the true picture in [-1, 1], and its means at smaller sides", () => {
  const z = new StepRandom(1, 0).normals(64);
  const full = truth(z, "photo").data;
  assertClose(drawPlanes(drawLayers(z), "photo", 64), full.map((v) => 2 * v - 1), 1e-6);
  const small = drawPlanes(drawLayers(z), "photo", SIDE);
  let mean = 0;
  for (let y = 0; y < 4; y++) {
    for (let x = 0; x < 4; x++) mean += full[64 * 64 + (20 + y) * 64 + 8 + x]! / 16;
  }
  assert.ok(Math.abs(small[SIDE * SIDE + 5 * SIDE + 2]! - (2 * mean - 1)) < 1e-5);
});

Deno.test("moved() leaves a picture alone, shifts it, and goes on beyond its border", () => {
  const planes = Float32Array.from({ length: 3 * SIDE * SIDE }, (_, i) => i % SIDE);
  assert.deepEqual(moved(planes, SIDE, { zoom: 1, x: 0, y: 0 }), planes);
  const aside = moved(planes, SIDE, { zoom: 1, x: 2 / SIDE, y: 0 });
  const row = Array.from(aside.subarray(0, SIDE));
  assert.deepEqual(row.slice(0, -1), Array.from({ length: SIDE - 1 }, (_, i) => i + 1));
  assert.equal(row.at(-1), SIDE - 1);
});

Deno.test("captionedPictures() gives each caption all pictures that it fits, its own among them", () => {
  const scenes = 3;
  const batch = captionedPictures(new StepRandom(1, 1), { scenes, side: SIDE });
  const n = scenes * STYLES_EACH;
  assert.equal(batch.captions.length, n);
  assert.equal(batch.pictures.length, n * 3 * SIDE * SIDE);
  assert.equal(batch.edits.length, scenes * (STYLES_EACH - 1) * OTHERS.length);
  for (let i = 0; i < n; i++) {
    let [row, column] = [0, 0];
    for (let k = 0; k < n; k++) {
      row += batch.ofText[i * n + k]!;
      column += batch.ofPicture[k * n + i]!;
    }
    assert.ok(Math.abs(row - 1) < 1e-5 && Math.abs(column - 1) < 1e-5);
    assert.ok(batch.ofText[i * n + i]! > 0 && batch.ofPicture[i * n + i]! > 0);
  }
});

Deno.test("picturePairs() shows each scene's photo beside four different styles", () => {
  const { photos, truths, wanted } = picturePairs(new StepRandom(1, 2), { scenes: 2, side: SIDE });
  assert.equal(photos.length, 2 * STYLES_EACH * 3 * SIDE * SIDE);
  assert.notDeepEqual(photos, truths);
  for (let scene = 0; scene < 2; scene++) {
    const shown = OTHERS.map((_, k) => {
      let count = 0;
      for (let i = 0; i < STYLES_EACH; i++) {
        count += wanted[(scene * STYLES_EACH + i) * OTHERS.length + k]!;
      }
      return count;
    });
    assert.deepEqual(shown.toSorted(), [0, 0, 0, 1, 1, 1, 1]);
  }
});

Deno.test("Texts marks where each text ends, for every text that steps draw", () => {
  const vocabulary = cutVocabulary();
  const context = 32;
  const texts = new Texts(vocabulary, context);
  for (let step = 0; step < 20; step++) {
    const random = new StepRandom(2, step);
    const { captions } = captionedPictures(random, { scenes: 1, side: 8 });
    const all = [...captions, ...directionTexts(random)];
    const { ids, end } = texts.batch(all);
    all.forEach((text, i) => {
      const row = Array.from(ids.subarray(i * context, (i + 1) * context));
      const at = end.subarray(i * context, (i + 1) * context).indexOf(1);
      assert.equal(row[0], vocabulary.length, text);
      assert.equal(row[at], vocabulary.length + 1, text);
      assert.ok(row.slice(at + 1).every((id) => id === 0), text);
    });
  }
});
