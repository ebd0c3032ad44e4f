/** Gradients of some rows of a batch, and slices that are bound where they lie. */
import assert from "node:assert/strict";
import { grad } from "../../../lib/graph/grad.ts";
import {
  add,
  concat,
  matmul,
  mul,
  normalize,
  reshape,
  slice,
  softmax,
  square,
  sum,
  transpose,
} from "../../../lib/graph/ops/mod.ts";
import { planProgram } from "../../../lib/graph/plan.ts";
import { input, type Tensor } from "../../../lib/graph/tensor.ts";
import { assertClose } from "../../assert.ts";
import { evaluate, normals, seededRandom } from "../../gpu.ts";

/** Something like a block of a transformer on `[n, t, w]`; w is cut in two. */
function block(x: Tensor, weight: Tensor, bias: Tensor): Tensor {
  const [n, t, w] = x.shape as [number, number, number];
  const mixed = add(matmul({ a: normalize(x, 1e-3), b: weight }, {}), bias);
  const parts = reshape(mixed, [n, t, 2, w / 2]);
  const part = (i: number) =>
    transpose(reshape(slice(parts, [0, 0, i, 0], [n, t, 1, w / 2]), [n, t, 1, w / 2]), [
      0,
      2,
      1,
      3,
    ]);
  const scores = softmax(matmul({ a: part(0), b: part(1) }, { transposeB: true }));
  const seen = matmul({ a: scores, b: part(1) }, {});
  return add(x, concat([reshape(seen, [n, t, w / 2]), reshape(seen, [n, t, w / 2])], 2));
}

// Runs of 3 x 64 elements can be bound by themselves, of 3 x 10 not.
for (const width of [64, 10]) {
  Deno.test(`the gradient of half a batch is that of the half alone, at no more cost, ${width} wide`, async () => {
    const [n, t] = [2, 3];
    const random = seededRandom(width);
    const feeds: Record<string, Float32Array<ArrayBuffer>> = {};
    const leaf = (name: string, shape: number[]) => {
      const leaf = input(name, shape);
      feeds[name] = normals(shape.reduce((a, b) => a * b), random);
      return leaf;
    };
    const [a, b] = [leaf("a", [n, t, width]), leaf("b", [n, t, width])];
    const [weight, bias] = [leaf("weight", [width, width]), leaf("bias", [width])];
    const tower = (x: Tensor) => block(block(x, weight, bias), weight, bias);
    const loss = (first: Tensor, second: Tensor) => sum(square(mul(first, second)));

    const alone = loss(tower(a), tower(b));
    const both = tower(concat([a, b], 0));
    const half = (i: number) => slice(both, [i * n, 0, 0], [n, t, width]);
    const together = loss(half(0), half(1));
    const wrt = [b, weight];
    const [ofB, ofWeight] = grad(alone, [b]).concat(grad(alone, [weight]));
    const [togetherB] = grad(together, [b]);
    const [, togetherWeight] = grad(together, wrt);
    const found = await evaluate({
      ofB: ofB!,
      ofWeight: ofWeight!,
      togetherB: togetherB!,
      togetherWeight: togetherWeight!,
    }, feeds);
    // The same sums, in other blocks.
    assertClose(found.togetherB!, found.ofB!, 1e-5, "gradient of half");
    assertClose(found.togetherWeight!, found.ofWeight!, 1e-5, "gradient of what both use");

    const cost = (loss: Tensor) => {
      const limits = { bindingBytes: 2 ** 27, bufferBytes: 2 ** 30, storageBuffers: 16 };
      const { launches } = planProgram({ outputs: { g: grad(loss, [b])[0]! } }, "gpu", limits);
      const products = launches.filter(({ label }) => label.startsWith("matmul"));
      return {
        operations: products.reduce((sum, { operations }) => sum + operations, 0),
        launches: launches.length,
      };
    };
    const [one, two] = [cost(together), cost(alone)];
    assert(one.launches < two.launches, `${one.launches} launches, ${two.launches} alone`);
    assert(one.operations <= 1.01 * two.operations, `${one.operations}, ${two.operations} alone`);
  });
}

Deno.test("a slice that is one run of elements takes no launch, others do where they must", () => {
  const limits = { bindingBytes: 2 ** 27, bufferBytes: 2 ** 30, storageBuffers: 16 };
  const x = input("x", [4, 3, 64]);
  const w = input("w", [64, 5]);
  const launches = (start: number[], size: number[]) => {
    const product = matmul({ a: slice(x, start, size), b: w }, {});
    return planProgram({ outputs: { product } }, "gpu", limits).launches.length;
  };
  assert.equal(launches([1, 0, 0], [2, 3, 64]), 1);
  assert.equal(launches([3, 1, 0], [1, 2, 64]), 1);
  assert.equal(launches([0, 1, 0], [2, 2, 64]), 2);
});

Deno.test("slices give what they should wherever they begin, in loaders and in bindings", async () => {
  const random = seededRandom(3);
  const shape = [5, 2, 32];
  const data = normals(320, random);
  const w = normals(32 * 32, random);
  const x = input("x", shape);
  const outputs: Record<string, Tensor> = {};
  for (const first of [0, 1, 2, 3]) {
    const rows = slice(x, [first, 0, 0], [2, 2, 32]);
    outputs[`own ${first}`] = rows;
    outputs[`loaded ${first}`] = mul(rows, 2);
    outputs[`product ${first}`] = matmul({ a: rows, b: input("w", [32, 32]) }, {});
    // Of a value that is computed on the way, and follows a kernel.
    const made = matmul({ a: x, b: input("w", [32, 32]) }, {});
    outputs[`made ${first}`] = mul(slice(made, [first, 0, 0], [2, 2, 32]), 3);
  }
  const found = await evaluate(outputs, { x: data, w });
  const product = Float64Array.from({ length: 320 }, (_, i) => {
    let total = 0;
    for (let k = 0; k < 32; k++) total += data[i - i % 32 + k]! * w[k * 32 + i % 32]!;
    return total;
  });
  for (const first of [0, 1, 2, 3]) {
    const [from, to] = [first * 64, first * 64 + 128];
    assert.deepEqual(found[`own ${first}`], data.slice(from, to));
    assert.deepEqual(found[`loaded ${first}`], data.slice(from, to).map((v) => 2 * v));
    assertClose(found[`product ${first}`]!, product.slice(from, to), 3e-6, "product");
    assertClose(found[`made ${first}`]!, product.slice(from, to).map((v) => 3 * v), 3e-6, "made");
  }
});
