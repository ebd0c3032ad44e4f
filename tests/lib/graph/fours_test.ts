/** Products that load and store four elements at once: where they do, and that it changes nothing. */
import assert from "node:assert/strict";
import { Gpu } from "../../../lib/gpu/device.ts";
import { add, matmul, mul, slice } from "../../../lib/graph/ops/mod.ts";
import { planProgram } from "../../../lib/graph/plan.ts";
import type { Storing } from "../../../lib/graph/precision.ts";
import { constant, input, type Tensor } from "../../../lib/graph/tensor.ts";
import { assertClose } from "../../assert.ts";
import { evaluate, normals, seededRandom, testGpu } from "../../gpu.ts";

const LIMITS = { bindingBytes: 2 ** 27, bufferBytes: 2 ** 27, storageBuffers: 8 };

/** Which of a, b and out the last launch takes by four. */
function fours(out: Tensor): string {
  const { source } = planProgram({ outputs: { out } }, "gpu", LIMITS).launches.at(-1)!;
  const names = ["A", "B", "OUT"];
  return names.filter((name) => source.includes(`const ${name}_AT_ONCE = 4u;`)).join();
}

Deno.test("products take by four what is contiguous along rows and columns, as it lies in memory", () => {
  const [a, b] = [input("a", [24, 36]), input("b", [24, 28])];
  assert.equal(fours(matmul({ a, b }, { transposeA: true })), "A,B,OUT");
  assert.equal(fours(matmul({ a: input("m", [28, 24]), b }, {})), "B,OUT");
  assert.equal(
    fours(matmul({ a, b: input("n", [28, 24]) }, { transposeA: true, transposeB: true })),
    "A",
  );
  assert.equal(fours(matmul({ a, b: input("n", [24, 30]) }, { transposeA: true })), "A");
  const part = slice(input("x", [48, 28]), [16, 0], [24, 28]);
  assert.equal(fours(matmul({ a, b: part }, { transposeA: true })), "A,B,OUT");
  // Computed as it is loaded.
  assert.equal(fours(matmul({ a, b: mul(b, input("s", [])) }, { transposeA: true })), "A");
});

/** A tensor taken by four, one by one, and both ways in one launch; a part of it; ends that read it. */
function products(): Record<string, Tensor> {
  const y = matmul({ a: input("x", [68, 20]), b: input("w", [20, 36]) }, {}); // [68, 36]
  const squares = matmul({ a: y, b: y }, { transposeA: true }); // [36, 36]
  const z = add(mul(matmul({ a: y, b: squares }, {}), constant(1e-3)), y); // [68, 36]
  const part = slice(z, [32, 0], [36, 36]);
  return {
    rows: matmul({ a: part, b: z }, { transposeB: true }), // [36, 68]
    columns: matmul({ a: part, b: part }, { transposeA: true }), // [36, 36]
    both: matmul({ a: z, b: part }, {}), // [68, 36]
  };
}

for (const precision of ["f32", "f16"] as const) {
  const ignore = precision === "f16" && (await testGpu()).limits.halves !== true;
  const fn = async () => {
    const random = seededRandom(7);
    const feeds = { x: normals(68 * 20, random), w: normals(20 * 36, random) };
    const cpu = await Gpu.open("cpu");
    const expected = await evaluate(products(), feeds, {}, {}, cpu);
    const half = precision === "f16" ? "_half" : "";
    const gpu = await Gpu.open("gpu", {
      fastest: (_, names) => names.find((name) => name.endsWith(`32x32_by_4${half}`)),
    });
    const storing: Storing = { precision, halvedFrom: 1 };
    const actual = await evaluate(products(), feeds, {}, storing, gpu);
    // 2^-24 rounding of sums, three one after the other; in f16, 2^-11 of what is stored on the way.
    const tolerance = precision === "f32" ? 3e-6 : 2e-3;
    for (const [name, values] of Object.entries(expected)) {
      assertClose(actual[name]!, values, tolerance, name);
    }
    cpu.close();
    gpu.close();
  };
  const name = `products by four in ${precision} agree with those of software adapters`;
  Deno.test({ name, ignore, fn });
}
