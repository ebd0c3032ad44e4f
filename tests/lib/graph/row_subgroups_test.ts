/**
 * Kernels whose rows are reduced by subgroups. An adapter has these in one or two sizes only, so the
 * others are emulated, and all else of the kernels runs as it is.
 */
import assert from "node:assert/strict";
import { Gpu } from "../../../lib/gpu/device.ts";
import { defineOp } from "../../../lib/graph/op.ts";
import { ROW_THREADS } from "../../../lib/graph/ops/launch.ts";
import "../../../lib/graph/ops/mod.ts";
import { planProgram } from "../../../lib/graph/plan.ts";
import { Program } from "../../../lib/graph/program.ts";
import { input, numel, type Shape, type Tensor } from "../../../lib/graph/tensor.ts";
import { assertClose } from "../../assert.ts";
import { normals, seededRandom } from "../../gpu.ts";
import { callOf, type Case, type KernelOp, kernelOp } from "./calls.ts";

/** 2^-24 rounding, growing with the root of a few hundred terms. */
const TOLERANCE = 3e-6;

const CASES: Case[] = [
  { op: "softmax", inputs: { x: [3, 131] }, attrs: {} },
  { op: "softmax", inputs: { x: [3, 7] }, attrs: {} },
  { op: "normalize", inputs: { x: [5, 67] }, attrs: { eps: 1e-5 } },
  { op: "normalize_grad", inputs: { x: [5, 67], gy: [5, 67] }, attrs: { eps: 1e-5 } },
  { op: "product_sums", inputs: { a: [3, 131], b: [3, 131], c: [3, 131] }, attrs: {} },
  { op: "sum", inputs: { x: [3, 131, 1] }, attrs: {} },
];

const gpu = await Gpu.open("gpu");

// Of 64, 32, 21 or 22, 4 and 1 thread.
for (const count of [1, 2, 3, 16, 64]) {
  Deno.test(`rows are right when ${count} subgroups reduce them, emulated`, async () => {
    await check((op) => emulated(op, count));
  });
}

Deno.test({
  name: "rows are right when the adapter's subgroups reduce them, also side by side",
  ignore: !gpu.limits.subgroups,
  fn: async () => {
    await check(kernelOp);
    const joins = await Gpu.open("gpu", { joinsLaunches: true, workgroupBytes: 49152 });
    assert(await check(kernelOp, joins) < CASES.length);
    joins.close();
  },
});

Deno.test("only plans for GPUs with subgroups use them", () => {
  const limits = { bindingBytes: 2 ** 27, bufferBytes: 2 ** 30, storageBuffers: 8 };
  const outputs = { y: callOf(kernelOp("softmax"), { x: input("x", [3, 131]) }, {}) };
  const label = (kind: "cpu" | "gpu", subgroups: boolean) =>
    planProgram({ outputs }, kind, { ...limits, subgroups }).launches[0]!.label;
  assert.equal(label("gpu", true), "softmax_subgroups");
  assert.equal(label("gpu", false), "softmax");
  assert.equal(label("cpu", true), "softmax_cpu");
});

const made = new Map<string, KernelOp>();

/**
 * An op whose only kernel is that for subgroups, so many of which share the threads of a workgroup in
 * turns: neighbours are in different ones, and not all have the same size.
 */
function emulated(name: string, count: number): KernelOp {
  const key = `${name}_by_${count}`;
  const known = made.get(key);
  if (known) return known;
  const spec = kernelOp(name);
  const kernel = spec.kernels.find((kernel) => kernel.name.endsWith("_subgroups"))!;
  const source = [
    [/@builtin\(subgroup_id\).*,/, ""],
    ["subgroup = id;", `subgroup = lane % ${count}u;`],
    ["subgroups = count;", `subgroups = ${count}u;`],
    ["subgroupBroadcastFirst(lane)", `lane % ${count}u`],
    ["subgroupAdd(", "emulated_add(lane, "],
    ["subgroupMax(", "emulated_max(lane, "],
  ].reduce((text, [from, to]) => {
    const changed = text.replace(from!, to as string);
    assert.notEqual(changed, text, `nothing to emulate of ${from}`);
    return changed;
  }, kernel.source);
  const reduction = (fn: string, next: string) => `
fn ${fn}(lane: u32, value: f32) -> f32 {
  workgroupBarrier();
  emulated_values[lane] = value;
  workgroupBarrier();
  let first = lane % ${count}u;
  var all = emulated_values[first];
  for (var k = first + ${count}u; k < ${ROW_THREADS}u; k += ${count}u) { all = ${next}; }
  return all;
}`;
  const emulation = [
    `var<workgroup> emulated_values: array<f32, ${ROW_THREADS}>;`,
    reduction("emulated_add", "all + emulated_values[k]"),
    reduction("emulated_max", "max(all, emulated_values[k])"),
  ].join("\n");
  const kernels = [{ ...kernel, name: key, source: emulation + source, when: () => true }];
  const op = defineOp({ ...spec, name: key, kernels }).spec as KernelOp;
  made.set(key, op);
  return op;
}

/** Compares all cases, computed by one program, with float64; returns its number of launches. */
async function check(opOf: (name: string) => KernelOp, device = gpu): Promise<number> {
  const random = seededRandom(1);
  const feeds: Record<string, Float32Array<ArrayBuffer>> = {};
  const outputs: Record<string, Tensor> = {};
  const expected: Record<string, ArrayLike<number>> = {};
  for (const [i, { op, inputs, attrs }] of CASES.entries()) {
    const leaf = (name: string, shape: Shape) => {
      // A softmax is right with any number in place of the largest, unless its terms overflow.
      const scale = op === "softmax" ? 100 : 1;
      feeds[`${name}${i}`] = normals(numel(shape), random).map((value) => scale * value);
      return { tensor: input(`${name}${i}`, shape), shape, data: feeds[`${name}${i}`]! };
    };
    const leaves = Object.entries(inputs).map(([name, shape]) =>
      [name, leaf(name, shape)] as const
    );
    const tensors = Object.fromEntries(leaves.map(([name, { tensor }]) => [name, tensor]));
    outputs[`${op} ${i}`] = callOf(opOf(op), tensors, attrs);
    expected[`${op} ${i}`] = kernelOp(op).reference(Object.fromEntries(leaves), attrs);
  }
  const program = await Program.compile(device, { outputs });
  program.poison();
  const actual = await program.run(feeds, { read: Object.keys(outputs) });
  program.dispose();
  for (const [name, values] of Object.entries(expected)) {
    assertClose(actual[name]!, values, TOLERANCE, name);
  }
  return program.plan.launches.length;
}
