import assert from "node:assert/strict";
import { frechetDistance } from "../../../../models/demo/eval/frechet.ts";
import { assertClose } from "../../../assert.ts";
import { normals, seededRandom } from "../../../gpu.ts";

function cloud(seed: number, scale: readonly number[], shift: readonly number[]): Float64Array[] {
  const random = seededRandom(seed);
  return Array.from(
    { length: 300 },
    () => Float64Array.from(normals(3, random), (x, i) => x * scale[i]! + shift[i]!),
  );
}

Deno.test("frechetDistance() is 0 for a set and itself", () => {
  const one = cloud(1, [1, 2, 0.5], [0, 0, 0]);
  assert.ok(frechetDistance(one, one) < 1e-9);
});

Deno.test("frechetDistance() is the squared distance of the means of sets of one shape", () => {
  const one = cloud(1, [1, 2, 0.5], [0, 0, 0]);
  const other = cloud(1, [1, 2, 0.5], [3, 0, 4]);
  assertClose([frechetDistance(one, other)], [25], 1e-6);
});

Deno.test("frechetDistance() of a set and its double is its variance, when the mean is 0", () => {
  const one = cloud(2, [1, 2, 0.5], [0, 0, 0]);
  const mean = one[0]!.map((_, i) => one.reduce((sum, row) => sum + row[i]! / one.length, 0));
  const centred = one.map((row) => row.map((value, i) => value - mean[i]!));
  const doubled = centred.map((row) => row.map((value) => 2 * value));
  const variance = centred.reduce((sum, row) => sum + row.reduce((s, x) => s + x * x, 0), 0) / 300;
  // (2 s - s)² along every axis.
  assertClose([frechetDistance(centred, doubled)], [variance], 1e-6);
});
