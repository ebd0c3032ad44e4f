import assert from "node:assert/strict";
import { RandomState } from "../../../lib/random/numpy.ts";

// All numbers were printed by numpy 2.4.6 on Linux (glibc 2.36).

Deno.test("RandomState.randn() gives numpy's numbers", () => {
  const expected = {
    0: [1.764052345967664, 0.4001572083672233, 0.9787379841057392, 2.240893199201458],
    1: [1.6243453636632417, -0.6117564136500754, -0.5281717522634557, -1.0729686221561705],
    42: [0.4967141530112327, -0.13826430117118466, 0.6476885381006925, 1.5230298564080254],
    4294967295: [0.6484086742306527, 0.6693235306338161, -1.0805437227474493, 0.2845010447986309],
  };
  for (const [seed, numbers] of Object.entries(expected)) {
    assert.deepEqual([...new RandomState(Number(seed)).randn(4)], numbers, `seed ${seed}`);
  }
});

Deno.test("RandomState.randn() stays with numpy over many states of the generator", () => {
  const numbers = new RandomState(7).randn(10001);
  assert.deepEqual([numbers[9999], numbers[10000]], [-1.3096359331669798, -0.14095899146466576]);
});

Deno.test("RandomState.randn() goes on where it stopped, also in the middle of a pair", () => {
  const state = new RandomState(42);
  const parts = [...state.randn(3), ...state.randn(0), ...state.randn(4)];
  assert.deepEqual(parts, [...new RandomState(42).randn(7)]);
});

Deno.test("RandomState.randomSample() gives numpy's numbers, and leaves Gaussians where numpy does", () => {
  const state = new RandomState(0);
  assert.deepEqual([...state.randomSample(3)], [
    0.5488135039273248,
    0.7151893663724195,
    0.6027633760716439,
  ]);
  assert.deepEqual([...state.randn(2)], [-2.268328201180374, 1.3335453816218967]);
  // The 10,000th word for seed 5489 is the check value of the C++ standard, 4123659995.
  const sample = new RandomState(5489).randomSample(5000)[4999]!;
  assert.equal(sample, 0.28196043491448763);
  assert.equal(sample * 2 ** 53 % 2 ** 26, 4123659995 >>> 6);
});

Deno.test("RandomState refuses seeds that numpy refuses", () => {
  for (const seed of [-1, 2 ** 32, 0.5, NaN]) {
    assert.throws(() => new RandomState(seed), {
      name: "UserError",
      message: `Cannot use seed ${seed}: seeds are whole numbers from 0 to 4294967295`,
    });
  }
});
