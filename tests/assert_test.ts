import assert from "node:assert/strict";
import { assertClose, relativeError } from "./assert.ts";

Deno.test("relativeError() is the l2 norm of the difference over that of the expected values", () => {
  assert.equal(relativeError([3, 4.5], [3, 4]), 0.1);
  assert.equal(relativeError([0, 0], [0, 0]), 0);
  assert.equal(relativeError([], []), 0);
  assert.equal(relativeError([1, 0], [0, 0]), Infinity);
});

Deno.test("relativeError() is never small where a NaN or an infinity is involved", () => {
  assert.ok(Number.isNaN(relativeError([1, NaN], [1, 2])));
  assert.ok(Number.isNaN(relativeError([1, 2], [1, NaN])));
  assert.ok(Number.isNaN(relativeError([1, Infinity], [1, Infinity])));
  assert.equal(relativeError([1, Infinity], [1, 2]), Infinity);
});

Deno.test("relativeError() refuses different lengths", () => {
  assert.throws(() => relativeError([1], [1, 2]), /1 elements cannot be compared with 2/);
});

Deno.test("assertClose() returns the error when it is allowed", () => {
  assert.equal(assertClose(new Float32Array([3, 4.5]), [3, 4], 0.1), 0.1);
});

Deno.test("assertClose() names the worst element and the share of bad ones", () => {
  assert.throws(
    () => assertClose([1, 1, 2, 1.5], [1, 1, 1, 1], 1e-3, "weights"),
    /^AssertionError.*weights: relative error 5\.59e-1, allowed 1\.00e-3; worst at \[2\]: 2, expected 1; 2 of 4 elements \(50\.0%\) are off/,
  );
  assert.throws(
    () => assertClose([1, NaN, 9], [1, 1, 1], 1e-3),
    /worst at \[1\]: NaN, expected 1; 2/,
  );
});
