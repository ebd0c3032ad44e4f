import assert from "node:assert/strict";
import { Gpu, type Limits } from "../../../lib/gpu/device.ts";
import { matmul, matmulInParts, sum } from "../../../lib/graph/ops/mod.ts";
import { planProgram } from "../../../lib/graph/plan.ts";
import { input, type Shape } from "../../../lib/graph/tensor.ts";
import { assertClose } from "../../assert.ts";
import { evaluate, filled, testGpu } from "../../gpu.ts";

// Roundings of sums of some thousand terms of mixed sign.
const TOLERANCE = 5e-6;

/** A product whose factors lie along the sum or, with `down`, across it. */
function product(a: Shape, b: Shape, down = false) {
  const attrs = down ? { transposeA: true } : { transposeB: true };
  return { factors: { a: input("a", a), b: input("b", b) }, attrs };
}

Deno.test("A product in parts is the product", async () => {
  const gpu = await Gpu.open("gpu"); // there are no kernels for others
  for (const batch of [[], [3], [2, 3]]) {
    for (const down of [false, true]) {
      const shapes = down
        ? { a: [...batch, 210, 3], b: [...batch, 210, 5] }
        : { a: [...batch, 3, 210], b: [...batch, 5, 210] };
      const { factors, attrs } = product(shapes.a, shapes.b, down);
      const outputs = {
        whole: matmul(factors, attrs),
        parts: matmulInParts(factors, attrs, 4).whole,
      };
      const { whole, parts } = await evaluate(outputs, filled(shapes), {}, {}, gpu);
      assertClose(parts, whole, TOLERANCE, `batch [${batch}]`);
    }
  }
  gpu.close();
});

Deno.test("On GPUs long sums are cut where that is counted to be quicker, or known to be", async () => {
  const { limits } = await testGpu();
  const launches = (
    { factors, attrs }: ReturnType<typeof product>,
    kind: "cpu" | "gpu",
    fastest?: Limits["fastest"],
  ) =>
    planProgram({ outputs: { out: matmul(factors, attrs) } }, kind, {
      ...limits,
      ...fastest && { fastest },
    }).launches.map(({ label, grid }) => ({
      kernel: label.split("_")[0],
      groups: grid.reduce((x, y) => x * y),
    }));
  const colours = product([2, 3, 262144], [2, 64, 262144]);
  const [cut, added] = launches(colours, "gpu");
  assert.equal(cut!.kernel, "matmul");
  assert(cut!.groups >= 256, `${cut!.groups} workgroups`);
  assert.equal(added!.kernel, "sum");
  assert.equal(launches(colours, "cpu").length, 1);
  assert.equal(launches(colours, "gpu", (_, [first]) => first).length, 1);
  // Factors across the sum, and one that serves all products.
  assert.equal(launches(product([65536, 3], [65536, 64], true), "gpu").length, 2);
  assert.equal(launches(product([8, 197, 3072], [768, 3072]), "gpu").length, 2);
  assert.equal(launches(product([2, 197, 3072], [768, 3072]), "gpu").length, 1);
  assert.equal(launches(product([2, 197, 3072], [768, 3072]), "gpu", () => "in_parts").length, 2);
  // Enough of them, or too short to gain by it.
  assert.equal(launches(product([512, 8192], [4096, 8192]), "gpu").length, 1);
  assert.equal(launches(product([2, 3, 512], [2, 64, 512]), "gpu").length, 1);
});

Deno.test("Long sums with few results fill a GPU in a first round", async () => {
  const { limits } = await testGpu();
  const groups = (shape: Shape, axes: number[]) =>
    planProgram({ outputs: { out: sum(input("x", shape), axes) } }, "gpu", limits).launches
      .map(({ grid }) => grid.reduce((x, y) => x * y));
  assert.deepEqual(groups([2, 128, 256, 256], [2, 3]), [4096, 4]);
  assert.equal(groups([16, 1046, 1046], [1, 2])[0], 16 * 523); // 1046² has few divisors
  assert.equal(groups([2, 512, 64, 64], [2, 3]).length, 1);
  const shapes = { x: [3, 65536] };
  const x = input("x", shapes.x);
  const feeds = filled(shapes);
  const { found } = await evaluate({ found: sum(x, [1]) }, feeds);
  const wanted = [0, 1, 2].map((row) =>
    feeds.x!.subarray(65536 * row, 65536 * (row + 1)).reduce((a, b) => a + b, 0)
  );
  assertClose(found, Float64Array.from(wanted), TOLERANCE, "sums");
});
