import assert from "node:assert/strict";
import { learningRate } from "../../../models/nada/learning_rate.ts";

Deno.test("learningRate() stays, or falls from the rate towards zero along a cosine", () => {
  const options = { lr: 0.02, steps: 40 };
  for (const step of [0, 17, 39, 60]) {
    assert.equal(learningRate({ ...options, lrSchedule: "constant" }, step), 0.02);
  }
  const rates = Array.from(
    { length: 41 },
    (_, step) => learningRate({ ...options, lrSchedule: "cosine" }, step),
  );
  assert.equal(rates[0], 0.02);
  assert.ok(Math.abs(rates[10]! - 0.02 * (0.5 + Math.SQRT1_2 / 2)) < 1e-12);
  assert.ok(Math.abs(rates[20]! - 0.01) < 1e-12);
  assert.ok(rates.slice(0, 40).every((rate, step) => rate > rates[step + 1]!));
  assert.ok(rates[40]! < 1e-12);
});
