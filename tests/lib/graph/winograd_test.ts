import assert from "node:assert/strict";
import type { AdapterKind, Limits } from "../../../lib/gpu/device.ts";
import { again } from "../../../lib/graph/again.ts";
import { grad } from "../../../lib/graph/grad.ts";
import {
  conv2d,
  convTranspose2d,
  convWeightGrad,
  mul,
  sum,
  winogradConv,
  winogradWeightGrad,
} from "../../../lib/graph/ops/mod.ts";
import { planProgram } from "../../../lib/graph/plan.ts";
import type { Precision } from "../../../lib/graph/precision.ts";
import { input } from "../../../lib/graph/tensor.ts";
import { assertClose } from "../../assert.ts";
import { evaluate, filled, testGpu } from "../../gpu.ts";

// Roundings of the numbers on the way, of mixed sign and up to four times what they come to.
const TOLERANCE = 3e-6;

for (const pad of [0, 1, 2]) {
  Deno.test(`Winograd's convolutions are those of conv2d() with a padding of ${pad}`, async () => {
    const [oh, ow] = [7 + 2 * pad - 2, 10 + 2 * pad - 2];
    const shapes = { x: [2, 5, 7, 10], w: [3, 5, 3, 3], gy: [2, 3, oh, ow] };
    const [x, w, gy] = Object.entries(shapes).map(([name, shape]) => input(name, shape));
    const [of, like] = [{ x: x!, w: w! }, { x: gy!, w: w! }];
    const attrs = { stride: 1, pad };
    const tiles = 2 * Math.ceil(oh / 2) * Math.ceil(ow / 2);
    const found = await evaluate({
      forward: winogradConv(of, { pad, transposed: false, groups: 1 }),
      "forward in two": winogradConv(of, { pad, transposed: false, groups: 2 }),
      transposed: winogradConv(like, { pad, transposed: true, groups: 1 }),
      "transposed in two": winogradConv(like, { pad, transposed: true, groups: 2 }),
      weight: winogradWeightGrad({ x: x!, gy: gy! }, { pad, groups: 1 }),
      "weight in pieces": winogradWeightGrad({ x: x!, gy: gy! }, { pad, groups: tiles / 2 }),
    }, filled(shapes));
    const wanted = await evaluate({
      forward: conv2d(of, attrs),
      transposed: convTranspose2d(like, { ...attrs, outputPadding: [0, 0] }),
      weight: convWeightGrad({ x: x!, gy: gy! }, { ...attrs, kernel: [3, 3] }),
    }, filled(shapes));
    for (const [name, values] of Object.entries(found)) {
      const direct = wanted[name.split(" ")[0] as keyof typeof wanted];
      assertClose(values, direct, TOLERANCE, name);
    }
  });
}

/** A convolution's result and gradients, of `channels` at `size`. */
function layer(channels: number, size: number) {
  const shapes = {
    x: [2, channels, size, size],
    w: [channels, channels, 3, 3],
    gy: [2, channels, size, size],
  };
  const [x, w, gy] = Object.entries(shapes).map(([name, shape]) => input(name, shape));
  const y = conv2d({ x: x!, w: w! }, { stride: 1, pad: 1 });
  const [ofX, ofW] = grad(sum(mul(y, gy!)), [x!, w!]);
  return { shapes, outputs: { y, ofX: ofX!, ofW: ofW! } };
}

/** How many launches of such a layer are those of a kernel. */
function launchesOf(kernel: string, channels: number, size: number, options: {
  kind: AdapterKind;
  precision?: Precision;
  limits?: Partial<Limits>;
}): number {
  const { kind, precision = "f32", limits } = options;
  const { outputs } = layer(channels, size);
  const given = { bindingBytes: 2 ** 27, bufferBytes: 2 ** 31, storageBuffers: 16, halves: true };
  const plan = planProgram({ outputs, precision }, kind, {
    ...given,
    workgroupBytes: 32768,
    ...limits,
  });
  return plan.launches.filter(({ label }) => label.startsWith(kernel)).length;
}

Deno.test("Wide layers have fewer products on software adapters in f32, and nothing else", () => {
  const fewer = (channels: number, size: number, kind: AdapterKind, precision: Precision) =>
    launchesOf("winograd_tiles", channels, size, { kind, precision });
  assert.equal(fewer(512, 64, "cpu", "f32"), 4);
  // In two groups of samples each, as one binding cannot hold the numbers of both.
  assert.equal(fewer(256, 128, "cpu", "f32"), 8);
  assert.equal(fewer(512, 8, "cpu", "f32"), 0);
  assert.equal(fewer(32, 64, "cpu", "f32"), 0);
  assert.equal(fewer(512, 64, "cpu", "f16"), 0);
  assert.equal(fewer(512, 64, "gpu", "f32"), 0);
});

Deno.test("On GPUs one kernel does so where that is counted to be quicker, or known to be", () => {
  const fused = (channels: number, size: number, limits: Partial<Limits> = {}) =>
    launchesOf("winograd_conv", channels, size, { kind: "gpu", limits });
  assert.equal(fused(512, 64), 2); // forward, and the gradient of the input
  assert.equal(fused(8, 16), 0);
  assert.equal(fused(512, 64, { workgroupBytes: 16384 }), 0);
  const known = (name: string): Partial<Limits> => ({
    fastest: (_, names) => names.find((one) => one.endsWith(name)),
  });
  assert.equal(fused(8, 16, known("winograd")), 2);
  assert.equal(fused(512, 64, known("128x128")), 0);
  assert.equal(fused(512, 64, known("of another name")), 2);
});

Deno.test("A layer that is computed again has its maps computed again by Winograd's kernel too", () => {
  const [x, w] = [input("x", [1, 64, 128, 128]), input("w", [64, 64, 3, 3])];
  const y = conv2d({ x, w }, { stride: 1, pad: 1 });
  const outputs = { y, again: again(y, 1) };
  const limits = { bindingBytes: 2 ** 27, bufferBytes: 2 ** 31, storageBuffers: 16 };
  const plan = planProgram({ outputs }, "gpu", {
    ...limits,
    workgroupBytes: 32768,
    fastest: () => "winograd",
  });
  const labels = plan.launches.map(({ label }) => label);
  assert.deepEqual(labels, ["winograd_weights", "winograd_conv", "winograd_conv"]);
});

const { kind, limits: { halves } } = await testGpu();

Deno.test({
  name: "Fewer products have the results and gradients of direct kernels",
  ignore: kind === "gpu" || !halves,
  async fn() {
    const { shapes, outputs } = layer(256, 30);
    const feeds = filled(shapes);
    const plan = planProgram({ outputs }, "cpu", (await testGpu()).limits);
    assert(plan.launches.some(({ label }) => label.startsWith("winograd_tiles")));
    const found = await evaluate(outputs, feeds);
    // Of precision f16, with nothing so large that it were stored so.
    const wanted = await evaluate(outputs, feeds, {}, { precision: "f16", halvedFrom: Infinity });
    for (const name of ["y", "ofX", "ofW"] as const) {
      assert.notDeepEqual(found[name], wanted[name]);
      assertClose(found[name], wanted[name], TOLERANCE, name);
    }
  },
});
