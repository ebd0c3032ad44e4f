import { grad } from "../../../lib/graph/grad.ts";
import { attention, square, sum } from "../../../lib/graph/ops/mod.ts";
import { constant, input, type Tensor } from "../../../lib/graph/tensor.ts";
import { assertClose } from "../../assert.ts";
import { evaluate, normals, seededRandom } from "../../gpu.ts";

Deno.test("attention() has the gradients of gradients that it has in other ops", async () => {
  const [n, t, h, d] = [2, 5, 2, 3];
  const qkv = input("qkv", [n, t, 3, h, d]);
  // The cotangent depends on qkv, too.
  const twice = (result: Tensor) => {
    const [first] = grad(sum(square(result)), [qkv]);
    return grad(sum(square(first!)), [qkv])[0]!;
  };
  const unmasked = constant(new Float32Array(t * t), [t, t]);
  const found = await evaluate(
    { op: twice(attention(qkv)), composed: twice(attention(qkv, unmasked)) },
    { qkv: normals(n * t * 3 * h * d, seededRandom(1)) },
  );
  // A few hundred terms of float32 each, in another order.
  assertClose(found.op!, found.composed!, 2e-5, "gradient of the gradient");
});
