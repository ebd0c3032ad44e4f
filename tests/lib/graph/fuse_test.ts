/** Which nodes share a launch, and how launches are cut that would bind too much. */
import assert from "node:assert/strict";
import { fuse } from "../../../lib/graph/fuse.ts";
import { registry } from "../../../lib/graph/op.ts";
import {
  add,
  concat,
  exp,
  mul,
  quickGelu,
  slice,
  softmax,
  sum,
} from "../../../lib/graph/ops/mod.ts";
import { planProgram } from "../../../lib/graph/plan.ts";
import { input, type Tensor } from "../../../lib/graph/tensor.ts";
import { assertClose } from "../../assert.ts";
import { evaluate, normals, seededRandom } from "../../gpu.ts";

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

const LIMITS = { bindingBytes: 2 ** 27, bufferBytes: 2 ** 30, storageBuffers: 16 };
const labels = (outputs: Record<string, Tensor>) =>
  planProgram({ outputs }, "gpu", LIMITS).launches.map(({ label }) => label);

Deno.test("fuse() ends a kernel with what reads its result, and stores what others read on the way", async () => {
  const [x, b, c] = [input("x", [6, 70]), input("b", [70]), input("c", [6, 1])];
  const p = softmax(x);
  const q = mul(add(p, b), c);
  const outputs = {
    total: sum(p, [1]),
    squashed: sum(quickGelu(q), [0]),
    scaled: sum(exp(q), [1]),
  };
  assert.deepEqual(labels(outputs).toSorted(), [
    "softmax[add,mul]",
    "sum_rows",
    "sum_rows[exp]",
    "sum_strided[quick_gelu]",
  ]);
  const random = seededRandom(3);
  const feeds = { x: normals(420, random), b: normals(70, random), c: normals(6, random) };
  const actual = await evaluate({ ...outputs, p, q }, feeds);
  const expected = Float64Array.from(feeds.x);
  for (let row = 0; row < 420; row += 70) {
    const exps = feeds.x.subarray(row, row + 70).map(Math.exp);
    const all = exps.reduce((a, v) => a + v, 0);
    exps.forEach((v, k) => expected[row + k] = v / all);
  }
  const ends = expected.map((v, i) => (v + feeds.b[i % 70]!) * feeds.c[Math.floor(i / 70)]!);
  assertClose(actual.p, expected, 3e-6);
  assertClose(actual.q, ends, 3e-6);
  assertClose(actual.total, new Float32Array(6).fill(1), 3e-6);
  const rows = [0, 1, 2, 3, 4, 5].map((row) =>
    ends.subarray(70 * row, 70 * row + 70).reduce((a, v) => a + Math.exp(v), 0)
  );
  assertClose(actual.scaled, rows, 3e-6);
});

Deno.test("fuse() ends no kernel with what reads a part of its result", async () => {
  const x = input("x", [2, 70]);
  const rows = [0, 1].map((row) => slice(softmax(x), [row, 0], [1, 64]));
  const all = { sum: add(rows[0]!, rows[1]!), doubled: mul(rows[1]!, 2), first: mul(rows[0]!, 3) };
  assert.equal(labels(all).filter((label) => label.startsWith("softmax")).length, 1);
  const feeds = { x: normals(140, seededRandom(4)) };
  const { p, sum: total, doubled } = await evaluate({ ...all, p: softmax(x) }, feeds);
  assertClose(total, p.subarray(0, 64).map((v, i) => v + p[70 + i]!), 1e-6);
  assertClose(doubled, p.subarray(70, 134).map((v) => 2 * v), 1e-6);
});

Deno.test("fuse() starts no launch before what it reads: neither in a circle, nor much later", () => {
  const x = input("x", [6, 70]);
  const p = softmax(x);
  // Needs a sum of p, which needs p.
  assert.deepEqual(labels({ y: mul(p, sum(p, [1], true)) }), ["softmax", "sum_rows", "map[mul]"]);
  // Each needs what the other makes first.
  const [a, b] = [softmax(input("a", [6, 70])), softmax(input("b", [6, 70]))];
  const crossed = { a, b, ab: mul(a, exp(b)), ba: mul(b, exp(a)) };
  const all = labels(crossed);
  assert(all.length >= 3, all.join());
  // Kept for 40 launches, as it would be if it were made at once.
  let steps = softmax(x);
  for (let i = 0; i < 40; i++) steps = softmax(mul(steps, 2));
  assert(labels({ steps, late: add(softmax(x), 1) }).includes("map[affine]"));
  assert(!labels({ late: add(softmax(x), 1), p }).includes("map[affine]"));
});
