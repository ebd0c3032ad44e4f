import assert from "node:assert/strict";
import { eigen, moments, solve } from "../../../../models/demo/eval/matrix.ts";
import { assertClose } from "../../../assert.ts";
import { normals, seededRandom } from "../../../gpu.ts";

/** A covariance of 5 numbers, as of 40 vectors. */
function vectors(): Float64Array[] {
  const random = seededRandom(3);
  return Array.from(
    { length: 40 },
    () => Float64Array.from(normals(5, random), (x, i) => x * i + i),
  );
}

Deno.test("moments() gives the mean and the covariance of vectors", () => {
  const { mean, covariance } = moments(
    [[1, 2], [3, 8], [5, 2]].map((row) => Float64Array.from(row)),
  );
  assertClose(mean, [3, 4], 1e-12);
  assertClose(covariance, [8 / 3, 0, 0, 8], 1e-12);
});

Deno.test("solve() finds what a positive definite matrix takes to a vector", () => {
  const { mean, covariance } = moments(vectors());
  for (let i = 0; i < 5; i++) covariance[6 * i]! += 0.1;
  const x = solve(covariance, mean);
  const back = mean.map((_, i) =>
    x.reduce((sum, value, j) => sum + covariance[5 * i + j]! * value, 0)
  );
  assertClose(back, mean, 1e-10);
});

Deno.test("eigen() takes a symmetric matrix apart, and its parts make it again", () => {
  const { covariance } = moments(vectors());
  const { values, vectors: columns } = eigen(covariance, 5);
  const again = covariance.map((_, at) => {
    const [i, j] = [Math.floor(at / 5), at % 5];
    return values.reduce((sum, v, k) => sum + v * columns[5 * i + k]! * columns[5 * j + k]!, 0);
  });
  assertClose(again, covariance, 1e-10);
  assert.ok(values.every((value) => value > -1e-12));
});
