/**
 * Kernels for tensor cores. Where the adapter has none, their fragments are emulated
 * (emulated_matrix.wgsl), and all else of them runs as it is.
 */
import assert from "node:assert/strict";
import { requestAdapter } from "../../../lib/gpu/adapter.ts";
import { type AdapterKind, Gpu, type Limits } from "../../../lib/gpu/device.ts";
import { matrixKind } from "../../../lib/gpu/matrix.ts";
import { vjp } from "../../../lib/graph/grad.ts";
import { defineOp, type HostTensor } from "../../../lib/graph/op.ts";
import {
  convMatrixKernels,
  convWeightGradMatrixKernel,
  matmulMatrixKernels,
  MATRIX_MEANS,
  type MatrixMeans,
} from "../../../lib/graph/ops/matrix_kernels.ts";
import { add, conv2d, convTranspose2d, matmul, mul } from "../../../lib/graph/ops/mod.ts";
import { planProgram } from "../../../lib/graph/plan.ts";
import type { Precision } from "../../../lib/graph/precision.ts";
import { Program } from "../../../lib/graph/program.ts";
import { constant, input, numel, type Shape, type Tensor } from "../../../lib/graph/tensor.ts";
import { assertClose } from "../../assert.ts";
import { normals, seededRandom } from "../../gpu.ts";
import {
  callOf,
  type Case,
  conv,
  type KernelOp,
  kernelOp,
  spread,
  T,
  weightGrad,
} from "./calls.ts";
import emulatedWgsl from "./emulated_matrix.wgsl" with { type: "text" };

/** 2^-24 rounding of sums of up to 2,000 terms. The factors are f16 already, products are exact. */
const TOLERANCE = 3e-6;
/** 2^-12 rounding of both factors, times the spread of what is rounded. */
const ROUNDED = 5e-4;

const EMULATED: MatrixMeans = {
  name: "emulated",
  edge: 4,
  subgroup: 1,
  padding: 8,
  fragments: emulatedWgsl,
  fits: () => true,
};

const kind = matrixKind(await requestAdapter());
const OWN = kind && { ...MATRIX_MEANS.find(({ name }) => name === kind)!, fits: () => true };

// Blocks are 16x32 to 64x128, and steps 4 to 32: none of these fill them evenly.
const CASES: Case[] = [
  { op: "matmul", inputs: { a: [70, 19], b: [19, 131] }, attrs: T("") },
  { op: "matmul", inputs: { a: [2, 23, 66], b: [2, 65, 23] }, attrs: T("AB") },
  { op: "matmul", inputs: { a: [3, 17, 33], b: [3, 70, 33] }, attrs: T("B") },
  { op: "matmul", inputs: { a: [37, 133], b: [37, 131] }, attrs: T("A") },
  conv([3, 21, 9, 11], [70, 21, 3, 3], 1, 1),
  conv([1, 17, 13, 10], [19, 17, 3, 3], 2, 0),
  conv([2, 66, 5, 7], [17, 66, 1, 1], 1, 0),
  spread([3, 19, 9, 11], [19, 70, 3, 3], 1, 1, 0),
  spread([2, 17, 9, 6], [17, 18, 3, 3], 2, 0, 0),
  spread([1, 35, 5, 9], [35, 18, 3, 3], 2, 1, 1),
  spread([1, 18, 4, 5], [18, 33, 1, 1], 2, 0, 1),
  weightGrad([3, 17, 9, 11], [3, 67, 9, 11], 1, 1, [3, 3], 27),
  weightGrad([2, 19, 21, 17], [2, 17, 10, 8], 2, 0, [3, 3], 6),
  weightGrad([1, 70, 6, 7], [1, 18, 6, 7], 1, 0, [1, 1], 4),
];

register(EMULATED, "emulated", false);
register(OWN, "the adapter's tensor cores", OWN === undefined);

function register(means: MatrixMeans | undefined, name: string, ignore: boolean): void {
  CASES.forEach((test, i) => {
    const shapes = Object.values(test.inputs).map((shape) => `[${shape}]`).join(" ");
    Deno.test({
      name: `${test.op}() of fused f16 values agrees with float64 on ${shapes}, ${name}`,
      ignore,
      fn: () => check(means!, test, 1 + i),
    });
  });
}

Deno.test({
  name:
    "gradients of products and convolutions agree with differences on the adapter's tensor cores",
  ignore: OWN === undefined,
  fn: checkGradients,
});

Deno.test("matmul() of f32 values errs by their rounding to f16, emulated", async () => {
  const test: Case = { op: "matmul", inputs: { a: [33, 65], b: [65, 34] }, attrs: {} };
  await assert.rejects(check(EMULATED, test, 1, asF32), /relative error/);
  await check(EMULATED, test, 1, asF32, ROUNDED);
});

Deno.test("only programs in f16 for GPUs use tensor cores", () => {
  const limits: Limits = {
    bindingBytes: 2 ** 27,
    bufferBytes: 2 ** 30,
    storageBuffers: 8,
    halves: true,
    tensorCores: "matrix_16_32",
  };
  const [a, x] = [input("a", [512, 512]), input("x", [2, 128, 64, 64])];
  const w = input("w", [128, 128, 3, 3]);
  const outputs = {
    product: matmul({ a, b: a }, {}),
    // Few rows, and weights of another size than 3x3 and 1x1, are for other kernels.
    few: matmul({ a: input("row", [1, 512]), b: a }, {}),
    maps: conv2d({ x, w }, { stride: 1, pad: 1 }),
    large: conv2d({ x, w: input("v", [128, 128, 5, 5]) }, { stride: 1, pad: 2 }),
  };
  const count = (precision: Precision, kind: AdapterKind) =>
    planProgram({ outputs, precision }, kind, limits).launches
      .filter(({ label }) => label.includes("matrix_16_32")).length;
  assert.equal(count("f16", "gpu"), 2);
  assert.equal(count("f32", "gpu"), 0);
  assert.equal(count("f16", "cpu"), 0);
});

Deno.test("kernels for tensor cores run side by side as far as their memory goes, emulated", async () => {
  const operands = {
    a: [19, 37],
    b: [37, 21],
    c: [23, 18],
    d: [22, 23],
    x: [1, 5, 6, 7],
    y: [1, 5, 6, 7],
    w: [6, 5, 3, 3],
  };
  const leaves = Object.fromEntries(
    Object.entries(operands).map(([name, shape]) => [name, input(name, shape)]),
  ) as Record<keyof typeof operands, Tensor>;
  const { a, b, c, d, x, y, w } = leaves;
  const call = (op: string, inputs: Record<string, Tensor>, attrs: Case["attrs"]) =>
    callOf(variant(op, EMULATED), inputs, attrs);
  const outputs = {
    rows: call("matmul", { a, b }, T("")),
    turned: call("matmul", { a: c, b: d }, T("AB")),
    maps: call("conv2d", { x, w }, { stride: 1, pad: 1 }),
    others: call("conv2d", { x: y, w }, { stride: 1, pad: 1 }),
  };
  const labels = planProgram({ outputs }, "gpu", {
    bindingBytes: 2 ** 27,
    bufferBytes: 2 ** 30,
    storageBuffers: 8,
    workgroupBytes: 49152,
    joinsLaunches: true,
  }).launches.map(({ label }) => label);
  const [product, conv] = ["matmul_emulated", "conv2d_emulated"];
  assert.deepEqual(labels.sort(), [`2 ${product}`, conv, conv].sort());

  const random = seededRandom(7);
  const feeds = Object.fromEntries(
    Object.entries(operands).map(([name, shape]) => [name, toF16(normals(numel(shape), random))]),
  );
  const host = (name: keyof typeof operands) => ({ shape: operands[name], data: feeds[name]! });
  const gpu = await Gpu.open("gpu", { joinsLaunches: true, workgroupBytes: 49152 });
  const { rows, turned } = outputs;
  const program = await Program.compile(gpu, { outputs: { rows, turned } });
  assert.equal(program.plan.launches.length, 1);
  program.poison();
  const { a: a_, b: b_, c: c_, d: d_ } = feeds;
  const actual = await program.run({ a: a_!, b: b_!, c: c_!, d: d_! }, {
    read: ["rows", "turned"],
  });
  program.dispose();
  gpu.close();
  const { reference } = matmul.spec as KernelOp;
  assertClose(actual.rows!, reference({ a: host("a"), b: host("b") }, T("")), TOLERANCE);
  assertClose(actual.turned!, reference({ a: host("c"), b: host("d") }, T("AB")), TOLERANCE);
});

let opened: Promise<Gpu> | undefined;

/** Where there is a choice it takes tensor cores, which calls as small as these would not. */
const device = () =>
  opened ??= Gpu.open("gpu", {
    fastest: (_, kernels) => kernels.find((name) => name.endsWith(`_${kind}`)),
  });

const variants = new Map<string, KernelOp>();

/** An op with no kernels but those for tensor cores. */
function variant(name: string, means: MatrixMeans): KernelOp {
  const key = `${name}_${means.name}`;
  const known = variants.get(key);
  if (known) return known;
  const spec = kernelOp(name);
  const { params } = spec.kernels[0]!;
  const kernels = name === "matmul"
    ? matmulMatrixKernels(means, params)
    : name === "conv_weight_grad_parts"
    ? [convWeightGradMatrixKernel(means, params)]
    : convMatrixKernels(means, name, name === "conv_transpose2d", params);
  const made = defineOp({ ...spec, name: key, kernels }).spec as KernelOp;
  variants.set(key, made);
  return made;
}

const asF32 = (values: Iterable<number>) => Float32Array.from(values);
const toF16 = (values: Iterable<number>) => Float32Array.from(Float16Array.from(values));

/** Twice the first operand by the second, and something added to it. */
async function check(
  means: MatrixMeans,
  { op, inputs, attrs }: Case,
  seed: number,
  round: (values: Iterable<number>) => Float32Array<ArrayBuffer> = toF16,
  tolerance = TOLERANCE,
): Promise<void> {
  const random = seededRandom(seed);
  const host: Record<string, HostTensor> = {};
  const feeds: Record<string, Float32Array<ArrayBuffer>> = {};
  const leaf = (name: string, shape: Shape) => {
    feeds[name] = round(normals(numel(shape), random));
    host[name] = { shape, data: feeds[name] };
    return input(name, shape);
  };
  const [first, second] = Object.keys(inputs) as [string, string];
  const leaves = {
    [first]: mul(leaf(first, inputs[first]!), constant(Float32Array.of(2), [])),
    [second]: leaf(second, inputs[second]!),
  };
  const spec = variant(op, means);
  const product = callOf(spec, leaves, attrs);
  const out = add(product, leaf("added", product.shape));
  const program = await Program.compile(await device(), { outputs: { out } });
  assert.equal(program.plan.launches.length, 1, "the factor and the sum are fused");
  program.poison();
  const actual = (await program.run(feeds, { read: ["out"] })).out!;
  program.dispose();

  const expected = Array.from(
    spec.reference(host, attrs),
    (y, k) => 2 * y + feeds.added![k]!,
  );
  assertClose(actual, expected, tolerance, op);
}

async function checkGradients(): Promise<void> {
  const gpu = await device();
  const attrs = { stride: 2, pad: 1, outputPadding: [1, 0] } as const;
  const ops = {
    matmul: { a: [37, 19], b: [19, 70] },
    conv2d: { x: [2, 17, 9, 11], w: [21, 17, 3, 3] },
    conv_transpose2d: { x: [2, 17, 5, 6], w: [17, 35, 3, 3] },
  };
  const calls = {
    matmul: ({ a, b }: Record<string, Tensor>) => matmul({ a: a!, b: b! }, {}),
    conv2d: ({ x, w }: Record<string, Tensor>) => conv2d({ x: x!, w: w! }, attrs),
    conv_transpose2d: ({ x, w }: Record<string, Tensor>) =>
      convTranspose2d({ x: x!, w: w! }, attrs),
  };
  for (const [name, inputs] of Object.entries(ops)) {
    const random = seededRandom(3);
    const spec = kernelOp(name);
    const values = Object.fromEntries(
      Object.entries(inputs).map(([n, shape]) => [n, toF16(normals(numel(shape), random))]),
    );
    const leaves = Object.fromEntries(
      Object.entries(inputs).map(([n, shape]) => [n, input(n, shape)]),
    );
    const y = calls[name as keyof typeof calls](leaves);
    const gy = toF16(normals(numel(y.shape), random));
    const names = Object.keys(inputs);
    const grads = vjp(y, input("gy", y.shape), names.map((n) => leaves[n]!));
    const outputs = Object.fromEntries(names.map((n, i) => [n, grads[i]!]));
    const program = await Program.compile(gpu, {
      outputs,
      precision: "f16",
      halvedFrom: Infinity,
    });
    const labels = program.plan.launches.map(({ label }) => label);
    assert.equal(labels.filter((label) => label.includes(OWN!.name)).length, 2, labels.join());
    program.poison();
    const actual = await program.run({ ...values, gy }, { read: names });
    program.dispose();

    // Each op is linear in either operand, so a difference of any length is exact.
    for (const n of names) {
      const v = normals(numel(inputs[n as keyof typeof inputs]), random);
      const moved = Object.fromEntries(
        Object.entries(inputs).map(([m, shape]) => [
          m,
          { shape, data: m === n ? v : values[m]! },
        ]),
      );
      const numeric = dot(gy, spec.reference(moved, attrs));
      const error = Math.abs(dot(v, actual[n]!) - numeric);
      const scale = Math.sqrt(dot(v, v) * dot(actual[n]!, actual[n]!));
      assert(error <= TOLERANCE * scale, `${name}, ${n}: off by ${error / scale}`);
    }
  }
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
