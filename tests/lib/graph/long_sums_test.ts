import assert from "node:assert/strict";
import { matmul, matmulInParts, sum } from "../../../lib/graph/ops/mod.ts";
import { planProgram } from "../../../lib/graph/plan.ts";
import { input, numel, type Shape } from "../../../lib/graph/tensor.ts";
import { assertClose } from "../../assert.ts";
import { evaluate, normals, seededRandom, testGpu } from "../../gpu.ts";

// Roundings of sums of some thousand terms of mixed sign.
const TOLERANCE = 5e-6;

const filled = (shapes: Record<string, Shape>) =>
  Object.fromEntries(
    Object.entries(shapes).map(([name, shape], i) => [
      name,
      normals(numel(shape), seededRandom(1 + i)),
    ]),
  );

Deno.test("A product in parts is the product", async () => {
  for (const batch of [[], [3], [2, 3]]) {
    const shapes = { a: [...batch, 3, 210], b: [...batch, 5, 210] };
    const [a, b] = [input("a", shapes.a), input("b", shapes.b)];
    const { whole, parts } = await evaluate({
      whole: matmul({ a, b }, { transposeB: true }),
      parts: matmulInParts({ a, b }, 7),
    }, filled(shapes));
    assertClose(parts, whole, TOLERANCE, `batch [${batch}]`);
  }
});

Deno.test("On GPUs long sums are cut where a product has few elements", async () => {
  const { limits } = await testGpu();
  const launches = (a: Shape, b: Shape, kind: "cpu" | "gpu") => {
    const out = matmul({ a: input("a", a), b: input("b", b) }, { transposeB: true });
    return planProgram({ outputs: { out } }, kind, limits).launches.map(({ label, grid }) => ({
      op: label.split("_").slice(0, -1).join("_"),
      groups: grid.reduce((x, y) => x * y),
    }));
  };
  const [cut, added] = launches([2, 3, 262144], [2, 64, 262144], "gpu");
  assert.match(cut!.op, /^conv_weight_grad/);
  assert(cut!.groups >= 512, `${cut!.groups} workgroups`);
  assert.equal(added!.op, "sum");
  assert.equal(launches([2, 3, 262144], [2, 64, 262144], "cpu").length, 1);
  // Enough of them, or too short to gain by it.
  assert.equal(launches([512, 8192], [1024, 8192], "gpu").length, 1);
  assert.equal(launches([2, 3, 2048], [2, 64, 2048], "gpu").length, 1);
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
