/** The benchmarks: what they count and compare, not how long anything takes. */
import assert from "node:assert/strict";
import { type Case, madeUp } from "../../bench/case.ts";
import { parseOptions } from "../../bench/options.ts";
import { measure } from "../../bench/measure.ts";
import { configF } from "../../bench/models.ts";
import { Running } from "../../bench/running.ts";
import { stepCases } from "../../bench/sections/step.ts";
import { UserError } from "../../lib/errors.ts";
import { matmul } from "../../lib/graph/ops/mod.ts";
import { planProgram } from "../../lib/graph/plan.ts";
import { state } from "../../lib/graph/tensor.ts";
import { testGpu } from "../gpu.ts";

const PRODUCT: Case = {
  name: "product",
  program: () => ({
    outputs: { out: matmul({ a: state("a", [3, 5]), b: state("b", [5, 7]) }, {}) },
  }),
  result: "out",
  clock: "device",
  peer: { kind: "matmul", transposeB: false },
};

Deno.test("madeUp() follows from the seed alone, with mean 0 and deviation 1 before scaling", () => {
  const about = { name: "x", shape: [40, 250], scale: 2, offset: 3 };
  const x = madeUp({ ...about, seed: 7 });
  assert.deepEqual(x, madeUp({ ...about, seed: 7 }));
  assert.notDeepEqual(x, madeUp({ ...about, seed: 8 }));
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
  assert.ok(Math.abs(mean - 3) < 0.06, `mean ${mean}`); // 3 deviations of a mean of 10,000
  assert.ok(Math.abs(Math.sqrt(variance) - 2) < 0.03, `deviation ${Math.sqrt(variance)}`);
});

Deno.test("Running counts a product's work, and its result is the root mean square of what it gives", async () => {
  using running = await Running.create(await testGpu(), PRODUCT);
  assert.deepEqual(running.work, {
    dispatches: 1,
    operations: 2 * 3 * 5 * 7,
    bytes: 4 * (3 * 5 + 5 * 7 + 3 * 7),
  });
  const { tensors, result } = running.peer!;
  const [a, b] = ["a", "b"].map((name) => madeUp(tensors.find((one) => one.name === name)!));
  let sum = 0;
  for (let m = 0; m < 3; m++) {
    for (let n = 0; n < 7; n++) {
      let value = 0;
      for (let k = 0; k < 5; k++) value += a![5 * m + k]! * b![7 * k + n]!;
      sum += value ** 2;
    }
  }
  const expected = Math.sqrt(sum / 21);
  assert.ok(Math.abs(result! - expected) < 1e-5 * expected, `${result}, expected ${expected}`);
  const kernels = await running.byKernel();
  assert.equal(kernels.length, 1);
  assert.equal(kernels[0]!.operations, running.work!.operations);
});

Deno.test("measure() gives the floors of the work at a peak", async () => {
  using running = await Running.create(await testGpu(), PRODUCT);
  const peak = { operations: 1e6, bytes: 1e6 };
  const about = { section: "matmul", name: "product" };
  const result = await measure(about, running, {
    peak,
    torch: null,
    kernels: false,
    isCpu: true,
  });
  assert.deepEqual(result.floors, { arithmeticMs: 0.21, memoryMs: 0.284 });
  assert.deepEqual(result.peers, []);
});

Deno.test("The step of 1024x1024 with two CLIPs is planned with all layers and both generators", async () => {
  const cases = await stepCases(true, "f32");
  const step = cases.find(({ name }) => name.startsWith("config F at 1024"))!;
  const { states, inputs } = planProgram(step.program(), "gpu", {
    bindingBytes: 2 ** 30,
    bufferBytes: 2 ** 30,
    storageBuffers: 16,
  });
  for (const name of ["frozen", "trained", "moment"]) {
    assert.ok(states.has(`${name}/convs.15.conv.weight`), name);
  }
  assert.ok(states.has("clip1/blocks.11.qkv.weight"));
  for (const name of inputs.keys()) assert.ok(name === "z" || name in step.inputs!, name);
});

Deno.test("configF() is the 1024x1024 generator of the paper: 74.3 billion multiply-adds an image", () => {
  const a = configF(1024);
  assert.deepEqual(a.channels, [512, 512, 512, 512, 512, 256, 128, 64, 32]);
  const convs = a.convs.map(({ inChannels, outChannels, resolution, up }) =>
    9 * inChannels * outChannels * (up ? resolution / 2 : resolution) ** 2
  );
  const colours = a.rgbs.map(({ inChannels, resolution }) => 3 * inChannels * resolution ** 2);
  const total = [...convs, ...colours].reduce((sum, operations) => sum + operations);
  assert.equal((total / 1e9).toFixed(1), "74.3");
});

Deno.test("parseOptions() refuses what is no section, peer or option, and names those that are", () => {
  const refused = (args: string[], message: RegExp) =>
    assert.throws(() => parseOptions(args), (error) => {
      assert.ok(error instanceof UserError);
      assert.match(error.message, message);
      return true;
    });
  refused(["matmul", "nothing"], /Cannot bench "nothing": the sections are matmul, conv, /);
  refused(["--peer", "jax"], /"jax": the only peer is torch/);
  refused(["--peak", "12"], /"12" as a peak: give GFLOP\/s and GB\/s/);
  refused(["--json", "/nowhere/at/all.json"], /"\/nowhere\/at\/all.json": there is no such folder/);
  refused(["--fast"], /'--fast'/);
  refused(["--gpu"], /--gpu: it goes with --count alone/);
  assert.equal(parseOptions(["--help"]), null);
  assert.deepEqual(parseOptions(["--peak", "2,0.5"])!.peak, { operations: 2e9, bytes: 5e8 });
  assert.deepEqual(parseOptions(["step", "--large"])!.sections, ["step"]);
});
