import assert from "node:assert/strict";
import { again } from "../../../lib/graph/again.ts";
import { grad } from "../../../lib/graph/grad.ts";
import {
  add,
  filteredLreluAxis,
  mean,
  mul,
  square,
  upfirdn1d,
} from "../../../lib/graph/ops/mod.ts";
import { planProgram } from "../../../lib/graph/plan.ts";
import { constant, input, type Tensor } from "../../../lib/graph/tensor.ts";
import { evaluate, normals, seededRandom, testGpu } from "../../gpu.ts";

Deno.test("again() makes nodes that are not taken for those that are there", async () => {
  const gpu = await testGpu();
  const x = input("x", [64, 64]);
  const y = mul(x, 3);
  const sum = (value: Tensor) => mean(square(value));
  const launches = (other: Tensor) =>
    planProgram({ outputs: { y, other, a: sum(y), b: sum(other) } }, gpu.kind, gpu.limits)
      .launches.length;
  assert.ok(launches(again(y, 1)) > launches(mul(x, 3)));
  assert.equal(again(y, 0), y);
  assert.equal(again(x, 5), x);
  const both = await evaluate({ y, same: again(add(y, 1), 2) }, {
    x: normals(64 * 64, seededRandom(1)),
  });
  assert.deepEqual(both.same, both.y.map((value) => value + 1));
});

Deno.test("recompute gives the same gradient from less memory", async () => {
  const gpu = await testGpu();
  const taps = (seed: number) => constant(normals(12, seededRandom(seed)), [12]);
  const [fu, fd] = [taps(1), taps(2)];
  const gradient = (recompute: number) => {
    const x = input("x", [4, 40, 40]);
    const activation = { slope: 0.2, gain: Math.SQRT2, limit: 1 };
    const pad = [11, 10] as const;
    let y = x;
    for (let layer = 0; layer < 4; layer++) {
      const wide = upfirdn1d({ x: y, f: fu }, { axis: 2, up: 2, down: 1, pad, gain: 2 });
      const attrs = { axis: 1, up: 2, down: 2, pad, ...activation, recompute };
      const fine = filteredLreluAxis({ x: wide, fu, fd }, attrs);
      y = upfirdn1d({ x: fine, f: fd }, { axis: 2, up: 1, down: 2, pad: [0, 0], gain: 1 });
    }
    return grad(mean(square(y)), [x])[0]!;
  };
  const [kept, recomputed] = [gradient(0), gradient(1)];
  const bytes = (out: Tensor) =>
    planProgram({ outputs: { out } }, gpu.kind, gpu.limits).scratchBytes;
  assert.ok(bytes(recomputed) < 0.8 * bytes(kept));
  const x = normals(4 * 40 * 40, seededRandom(3));
  assert.deepEqual(
    (await evaluate({ recomputed }, { x })).recomputed,
    (await evaluate({ kept }, { x })).kept,
  );
});
