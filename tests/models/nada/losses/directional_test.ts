import assert from "node:assert/strict";
import { grad } from "../../../../lib/graph/grad.ts";
import { constant, input } from "../../../../lib/graph/tensor.ts";
import {
  directionalLoss,
  type DirectionDistance,
  editDirection,
} from "../../../../models/nada/losses/mod.ts";
import { evaluate, normals, seededRandom } from "../../../gpu.ts";

Deno.test("directionalLoss() of equal images is 1, and its gradient finite and along the text", async () => {
  const features = normals(2 * 48, seededRandom(3));
  const [frozen, adapted] = [input("frozen", [2, 48]), input("adapted", [2, 48])];
  const direction = normals(48, seededRandom(4));
  const loss = directionalLoss(frozen, adapted, constant(direction, [1, 48]));
  const [gradient] = grad(loss, [adapted]);
  const actual = await evaluate(
    { loss, gradient: gradient!, edit: editDirection(frozen, adapted) },
    { frozen: features, adapted: features.map((x) => Math.fround(x * (1 + 2 ** -23))) },
  );
  assert.ok(Math.abs(actual.loss[0]! - 1) < 1e-3);
  assert.ok(actual.edit.every((x) => Math.abs(x) < 1e-3));
  assert.ok(actual.gradient.every(Number.isFinite));
  // Moving the features against the gradient moves them along the text direction.
  for (const row of [0, 1]) {
    const along = direction.reduce((s, d, k) => s - d * actual.gradient[row * 48 + k]!, 0);
    assert.ok(along > 0.1);
  }
});

Deno.test("directionalLoss() compares by angle, by mean squared or absolute difference, or by projection", async () => {
  const [frozen, adapted] = [[1, 0, 0, 0], [0, 1, 0, 0]];
  // The edit is [-1, 1, 0, 0] / sqrt(2).
  const wanted = Float32Array.of(0, 0.6, 0.8, 0);
  const s = Math.SQRT1_2;
  const expected: Record<DirectionDistance, number> = {
    cosine: 1 - 0.6 * s,
    mse: (s ** 2 + (s - 0.6) ** 2 + 0.8 ** 2) / 4,
    mae: (s + (s - 0.6) + 0.8) / 4,
    projection: 1 - 0.6,
  };
  for (const [distance, value] of Object.entries(expected)) {
    const loss = directionalLoss(
      constant(Float32Array.from([frozen, frozen].flat()), [2, 4]),
      constant(Float32Array.from([adapted, adapted].flat()), [2, 4]),
      constant(wanted, [1, 4]),
      distance as DirectionDistance,
    );
    const actual = await evaluate({ loss });
    assert.ok(Math.abs(actual.loss[0]! - value) < 1e-6, `${distance}: ${actual.loss[0]}`);
  }
});
