import assert from "node:assert/strict";
import { laplacianVariance } from "../../../../models/nada/eval/sharpness.ts";
import { assertClose } from "../../../assert.ts";

/** A picture of grey values, row by row. */
function grey(width: number, values: readonly number[]) {
  const data = Uint8Array.from(values.flatMap((value) => [value, value, value]));
  return { width, height: values.length / width, channels: 3 as const, data };
}

Deno.test("laplacianVariance() is that of the 4-neighbour Laplacian, mirrored at the borders", () => {
  // One bright pixel: -4 * 90 in the middle, 2 * 90 on the sides that see it from both, 0 at corners.
  const values = [0, 0, 0, 0, 90, 0, 0, 0, 0];
  const laplacian = [0, 180, 0, 180, -360, 180, 0, 180, 0];
  const mean = laplacian.reduce((sum, value) => sum + value, 0) / 9;
  const variance = laplacian.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 9;
  assertClose([laplacianVariance(grey(3, values))], [variance], 1e-12);
});

Deno.test("laplacianVariance() weighs colours as grey does, and sees nothing in one colour", () => {
  const data = Uint8Array.from([100, 0, 0, 0, 50, 0, 0, 0, 200, 255, 255, 255]);
  const coloured = laplacianVariance({ width: 2, height: 2, channels: 3, data });
  const [a, b, c, d] = [29.9, 29.35, 22.8, 255] as const;
  // In 2x2 pixels both neighbours along an axis are the same one.
  const laplacian = [[a, b, c], [b, a, d], [c, d, a], [d, c, b]].map(([x, y, z]) =>
    2 * y! + 2 * z! - 4 * x!
  );
  const mean = laplacian.reduce((sum, value) => sum + value, 0) / 4;
  const variance = laplacian.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 4;
  assertClose([coloured], [variance], 1e-12);
  assert.ok(Math.abs(laplacianVariance(grey(5, new Array(35).fill(77)))) < 1e-9);
});
