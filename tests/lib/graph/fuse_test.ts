/** How launches are cut that would bind more than the adapter allows. */
import assert from "node:assert/strict";
import { fuse } from "../../../lib/graph/fuse.ts";
import { registry } from "../../../lib/graph/op.ts";
import { add, concat, mul, softmax } from "../../../lib/graph/ops/mod.ts";
import { input, type Tensor } from "../../../lib/graph/tensor.ts";

/** Many tensors joined to one: as many paddings and sums, which would all be one launch. */
const joined = (count: number): Tensor =>
  concat(Array.from({ length: count }, (_, i) => input(`x${i}`, [2, 3])), 0);

Deno.test("fuse() cuts a launch of many parts into few, each as full as may be", () => {
  const { launches } = fuse([joined(50)], 8);
  // Seven new tensors in the first, six in each of the others.
  assert.equal(launches.length, Math.ceil((50 - 1) / 6));
  launches.forEach(({ reads }) => assert(reads.size <= 7));
});

Deno.test("fuse() cuts where a kernel can store what is cut off", () => {
  const scaled = (name: string) => {
    const factors = [0, 1, 2].map((i) => input(`${name}${i}`, [4, 1]));
    return factors.reduce(mul, softmax(input(name, [4, 9])));
  };
  const { launches } = fuse([add(scaled("a"), scaled("b"))], 6);
  assert.equal(launches.length, 2);
  assert(launches.every(({ kernel }) => kernel?.source.kind === "op"));
});

Deno.test("fuse() takes as long for each part however many there are", () => {
  const looksAt = (count: number) => {
    const root = joined(count);
    const op = registry.get("pad")!;
    const { kind } = op;
    let looks = 0;
    Object.defineProperty(op, "kind", { get: () => (looks++, kind), configurable: true });
    fuse([root], 8);
    Object.defineProperty(op, "kind", { value: kind });
    return looks / count;
  };
  const few = looksAt(100);
  assert(few > 0);
  assert(looksAt(10_000) <= 1.1 * few);
});
