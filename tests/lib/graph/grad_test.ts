import assert from "node:assert/strict";
import { grad } from "../../../lib/graph/grad.ts";
import { attention, square, sum } from "../../../lib/graph/ops/mod.ts";
import { input } from "../../../lib/graph/tensor.ts";
import { evaluate, normals, seededRandom } from "../../gpu.ts";

Deno.test("grad() of a gradient counts once what an op's cotangent depends on through its input", async () => {
  const shape = [1, 3, 3, 2, 4];
  const qkv = input("qkv", shape);
  // The cotangent of attention is twice its output, which is made from qkv as well.
  const first = grad(sum(square(attention(qkv))), [qkv])[0]!;
  const loss = sum(square(first));
  const second = grad(loss, [qkv])[0]!;
  const random = seededRandom(8);
  const count = shape.reduce((product, size) => product * size);
  const [at, along] = [normals(count, random), normals(count, random)];
  const lossAt = async (h: number) => {
    const data = at.map((value, i) => value + h * along[i]!);
    return (await evaluate({ loss }, { qkv: data })).loss[0]!;
  };
  const h = 1e-2;
  const numeric = (await lossAt(h) - await lossAt(-h)) / (2 * h);
  const found = (await evaluate({ second }, { qkv: at })).second
    .reduce((total, value, i) => total + value * along[i]!, 0);
  assert.ok(Math.abs(found - numeric) < 0.01 * Math.abs(numeric), `${found}, ${numeric}`);
});
