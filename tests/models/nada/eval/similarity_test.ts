import assert from "node:assert/strict";
import {
  agreements,
  contentKept,
  least,
  mean,
  similarities,
} from "../../../../models/nada/eval/similarity.ts";
import { assertClose } from "../../../assert.ts";

const BEFORE = [[1, 0], [1, 0], [0, 1], [0.6, 0.8]];
const AFTER = [[0, 1], [0, -1], [0, 1], [0.8, 0.6]];

Deno.test("agreements() is the cosine of each way and the direction, 0 where nothing moved", () => {
  // The ways are (-1, 1), (-1, -1), none, and (0.2, -0.2).
  const half = Math.SQRT1_2;
  assertClose(agreements(BEFORE, AFTER, [0, 1]), [half, -half, 0, -half], 1e-15);
  assertClose(agreements(BEFORE, AFTER, [-half, half]), [1, 0, 0, -1], 1e-15);
});

Deno.test("similarities() and contentKept() are cosines of vectors of length 1", () => {
  assertClose(similarities(AFTER, [0.6, 0.8]), [0.8, -0.8, 0.8, 0.96], 1e-15);
  assertClose(contentKept(BEFORE, AFTER), [0, 0, 1, 0.96], 1e-15);
});

Deno.test("mean() and least() of a few values", () => {
  assert.equal(mean([3, -1, 4]), 2);
  assert.equal(least([3, -1, 4]), -1);
});
