import { deepEqual, equal, throws } from "node:assert/strict";
import { ShapeError } from "../../../lib/errors.ts";
import { type RgbImage, steppedStrip, STRIP_IMAGES } from "../../../lib/image/mod.ts";

/** Image number `i` in one grey. */
function plain(i: number, width: number, height: number): RgbImage {
  const data = new Uint8Array(width * height * 3).fill(10 + 15 * i);
  return { width, height, channels: 3, data };
}

/** The number of the image that covers each pixel. */
function owners({ width, height, data }: RgbImage): number[][] {
  return Array.from(
    { length: height },
    (_, y) => Array.from({ length: width }, (_, x) => (data[3 * (y * width + x)]! - 10) / 15),
  );
}

Deno.test("steppedStrip() shows two images whole, six at half and eight at a quarter", () => {
  const strip = steppedStrip(
    Array.from({ length: STRIP_IMAGES }, (_, i) => plain(i, 4, 4)),
  );
  deepEqual(owners(strip), [
    [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 4, 4, 6, 6, 8, 12],
    [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 4, 4, 6, 6, 9, 13],
    [0, 0, 0, 0, 1, 1, 1, 1, 3, 3, 5, 5, 7, 7, 10, 14],
    [0, 0, 0, 0, 1, 1, 1, 1, 3, 3, 5, 5, 7, 7, 11, 15],
  ]);
});

Deno.test("steppedStrip() leaves no gap where sizes cannot be divided", () => {
  const strip = steppedStrip(
    Array.from({ length: STRIP_IMAGES }, (_, i) => plain(i, 8, 6)),
  );
  deepEqual([strip.width, strip.height], [32, 6]);
  const seen = owners(strip).flat();
  equal(seen.every((owner) => Number.isInteger(owner)), true);
  equal(new Set(seen).size, STRIP_IMAGES);
});

Deno.test("steppedStrip() takes sixteen images", () => {
  throws(() => steppedStrip([plain(0, 4, 4)]), ShapeError);
});
