import assert from "node:assert/strict";
import { grad } from "../../../lib/graph/grad.ts";
import { conv2d, lrelu, mean, square } from "../../../lib/graph/ops/mod.ts";
import { planProgram } from "../../../lib/graph/plan.ts";
import { recompute } from "../../../lib/graph/recompute.ts";
import type { Roots } from "../../../lib/graph/roots.ts";
import { input, numel, type Tensor } from "../../../lib/graph/tensor.ts";
import { assertClose } from "../../assert.ts";
import { evaluate, normals, seededRandom, testGpu } from "../../gpu.ts";

const LAYERS = 8;

/** A chain of convolutions, its loss, and the gradients of all weights. */
function chain() {
  const x = input("x", [2, 3, 12, 12]);
  const maps: Tensor[] = [];
  const weights = Array.from({ length: LAYERS }, (_, k) => input(`w${k}`, [3, 3, 3, 3]));
  for (const w of weights) {
    const y = conv2d({ x: maps.at(-1) ?? x, w }, { stride: 1, pad: 1 });
    maps.push(lrelu({ x: y }, { slope: 0.2, gain: 1 }));
  }
  const loss = mean(square(maps.at(-1)!));
  const gradients = grad(loss, weights);
  const outputs: Record<string, Tensor> = { loss };
  gradients.forEach((gradient, k) => outputs[`w${k}`] = gradient);
  return { roots: { outputs, updates: [] }, maps, leaves: [x, ...weights] };
}

Deno.test("recompute() gives the same gradients from fewer values that are kept", async () => {
  const { roots, maps, leaves } = chain();
  const kept = new Set(maps.filter((_, k) => k % 3 === 2));
  const less = recompute(roots, maps.at(-1)!, kept, 0);
  const random = seededRandom(3);
  const feeds = Object.fromEntries(leaves.map(({ shape, source }) => [
    (source as { name: string }).name,
    normals(numel(shape), random).map((v) => 0.3 * v),
  ]));
  const [plain, again] = [
    await evaluate(roots.outputs, feeds),
    await evaluate(less.outputs, feeds),
  ];
  for (const [name, values] of Object.entries(plain)) {
    assertClose(again[name]!, values, 2e-6, name);
  }

  const { kind, limits } = await testGpu();
  const [before, after] = [roots, less].map((each) => planProgram(each, kind, limits));
  assert(after!.scratchBytes < before!.scratchBytes);
  const convolutions = (plan: typeof before) =>
    plan!.launches.filter(({ label }) => label.startsWith("conv2d")).length;
  // All but the kept maps, and the last one, are computed a second time; none a third.
  assert.equal(convolutions(after) - convolutions(before), LAYERS - kept.size - 1);
});

Deno.test("recompute() leaves a program alone whose values are all kept, or small", async () => {
  const { roots, maps } = chain();
  const { kind, limits } = await testGpu();
  const labels = (each: Roots) =>
    planProgram(each, kind, limits).launches.map(({ label }) => label);
  const expected = labels(roots);
  assert.deepEqual(labels(recompute(roots, maps.at(-1)!, new Set(maps), 0)), expected);
  assert.deepEqual(labels(recompute(roots, maps.at(-1)!, new Set())), expected);
});
