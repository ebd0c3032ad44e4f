/** Ops that have kernels for each adapter kind, in all ways of both; beyond one block. */
import assert from "node:assert/strict";
import { Gpu } from "../../../lib/gpu/device.ts";
import type { HostTensor } from "../../../lib/graph/op.ts";
import { add } from "../../../lib/graph/ops/mod.ts";
import { Program } from "../../../lib/graph/program.ts";
import { input, numel, type Shape, type Tensor } from "../../../lib/graph/tensor.ts";
import { waysOf } from "../../../lib/graph/ways.ts";
import { assertClose } from "../../assert.ts";
import { normals, seededRandom } from "../../gpu.ts";
import { callOf, type Case, conv, kernelOp, spread, T, weightGrad } from "./calls.ts";

// All too large for the kernel of small products, and beyond one block of every kernel's.
const CASES: Case[] = [
  { op: "matmul", inputs: { a: [70, 19], b: [19, 131] }, attrs: {} },
  { op: "matmul", inputs: { a: [2, 23, 66], b: [2, 65, 23] }, attrs: T("AB") },
  { op: "matmul", inputs: { a: [2, 67, 33], b: [70, 33] }, attrs: T("B") },
  { op: "matmul", inputs: { a: [133, 9], b: [133, 131] }, attrs: T("A") },
  { op: "matmul", inputs: { a: [1, 513], b: [513, 266] }, attrs: {} },
  // Rows and columns that GPUs load four at a time.
  { op: "matmul", inputs: { a: [72, 19], b: [19, 132] }, attrs: {} },
  { op: "matmul", inputs: { a: [2, 65, 28], b: [2, 65, 36] }, attrs: T("A") },
  { op: "matmul", inputs: { a: [2, 21, 68], b: [35, 21] }, attrs: T("AB") },
  { op: "matmul_parts", inputs: { a: [70, 67], b: [67, 131] }, attrs: { steps: 33 } },
  {
    op: "matmul_parts",
    inputs: { a: [2, 65, 36], b: [2, 65, 36] },
    attrs: { ...T("A"), steps: 32 },
  },
  { op: "matmul_parts", inputs: { a: [3, 23, 66], b: [71, 66] }, attrs: { ...T("B"), steps: 20 } },
  conv([3, 5, 9, 11], [70, 5, 3, 3], 1, 1),
  conv([1, 7, 13, 10], [17, 7, 3, 3], 2, 0),
  conv([2, 4, 39, 71], [66, 4, 3, 3], 2, 1),
  conv([2, 66, 5, 5], [3, 66, 1, 1], 1, 0),
  conv([1, 3, 16, 17], [65, 3, 4, 5], 4, 0),
  conv([2, 7, 20, 38], [133, 7, 3, 3], 1, 0),
  conv([1, 2, 2, 3], [35, 2, 3, 3], 1, 2),
  spread([3, 5, 9, 11], [5, 70, 3, 3], 1, 1, 0),
  spread([2, 6, 18, 35], [6, 41, 3, 3], 1, 2, 0),
  spread([1, 3, 3, 2], [3, 133, 3, 3], 1, 0, 0),
  spread([2, 7, 9, 6], [7, 17, 3, 3], 2, 0, 0),
  spread([3, 8, 6, 15], [8, 35, 3, 3], 2, 0, 0),
  spread([1, 6, 5, 9], [6, 18, 3, 3], 2, 1, 1),
  spread([2, 5, 9, 6], [5, 11, 3, 3], 2, 2, 1),
  spread([1, 2, 4, 5], [2, 3, 1, 1], 2, 0, 1),
  weightGrad([3, 8, 9, 11], [3, 70, 9, 11], 1, 1, [3, 3]),
  weightGrad([2, 9, 41, 37], [2, 17, 20, 18], 2, 0, [3, 3]),
  weightGrad([1, 70, 6, 7], [1, 3, 6, 7], 1, 0, [1, 1]),
  weightGrad([1, 3, 64, 33], [1, 2, 64, 33], 1, 2, [5, 5]),
  {
    op: "upfirdn2d",
    inputs: { x: [2, 3, 21, 19], f: [4, 4] },
    attrs: { up: 1, down: 1, pad: [1, 2, 2, -1] },
  },
  {
    op: "upfirdn2d",
    inputs: { x: [3, 3, 15, 17], f: [12, 12] },
    attrs: { up: 2, down: 1, pad: [7, 8, -3, 10] },
  },
  {
    op: "upfirdn2d",
    inputs: { x: [3, 3, 25, 27], f: [12, 12] },
    attrs: { up: 1, down: 2, pad: [3, 0, 2, 1] },
  },
  filter([3, 5, 27], 2, 12, { up: 2, down: 1, pad: [9, 8] }),
  filter([2, 40, 3], 1, 24, { up: 1, down: 4, pad: [-3, 7] }),
  { op: "sum", inputs: { x: [3, 130, 1] }, attrs: {} },
  { op: "softmax", inputs: { x: [3, 5, 67] }, attrs: {} },
  { op: "normalize", inputs: { x: [5, 67] }, attrs: { eps: 1e-5 } },
  { op: "normalize_grad", inputs: { x: [5, 67], gy: [5, 67] }, attrs: { eps: 1e-5 } },
];

function filter(x: Shape, axis: number, taps: number, attrs: Record<string, unknown>): Case {
  return { op: "upfirdn1d", inputs: { x, f: [taps] }, attrs: { axis, gain: 2, ...attrs } };
}

// The kernels for software adapters need one; those for GPUs run anywhere, and where there are several,
// each of them does.
const probe = await Gpu.open();
probe.close();
// Those that multiply in f16 as well, however small the result.
const limits = { ...probe.limits, halfFrom: probe.limits.halves ? 1 : undefined };

for (const kernels of probe.kind === "cpu" ? ["cpu", "gpu"] as const : ["gpu"] as const) {
  CASES.forEach((test, i) => {
    const shapes = Object.values(test.inputs).map((shape) => `[${shape}]`).join(" ");
    for (const { name, half = false } of waysOf(call(test), kernels, limits)) {
      Deno.test(`${name} and what follows it agree with float64 on ${shapes}, ${kernels} kernels`, () =>
        check(kernels, name, half, test, 1 + i));
    }
  });
}

/** The op of a case on leaves. */
function call({ op, inputs, attrs }: Case, leaf: (name: string, shape: Shape) => Tensor = input) {
  const leaves = Object.fromEntries(
    Object.entries(inputs).map(([name, shape]) => [name, leaf(name, shape)]),
  );
  return callOf(kernelOp(op), leaves, attrs);
}

let opened: { kernels: string; gpu: Gpu } | undefined;
/** The kernel to be tried. */
let tried: string;

async function check(
  kernels: "cpu" | "gpu",
  kernel: string,
  half: boolean,
  test: Case,
  seed: number,
) {
  if (opened?.kernels !== kernels) {
    opened = { kernels, gpu: await Gpu.open(kernels, { fastest: () => tried }) };
  }
  tried = kernel;
  const random = seededRandom(seed);
  const host: Record<string, HostTensor> = {};
  const feeds: Record<string, Float32Array<ArrayBuffer>> = {};
  const leaf = (name: string, shape: Shape) => {
    const values = normals(numel(shape), random);
    feeds[name] = half ? Float32Array.from(Float16Array.from(values)) : values;
    host[name] = { shape, data: feeds[name] };
    return input(name, shape);
  };
  const product = call(test, leaf);
  // Whatever the shapes, this makes the same text, so that each kernel is compiled once.
  const out = add(product, leaf("added", product.shape));
  const program = await Program.compile(opened.gpu, {
    outputs: { out },
    ...half && { precision: "f16", halvedFrom: 1 },
  });
  const isOfOps = kernel === "winograd";
  assert(
    program.plan.launches.some(({ label }) =>
      label.split("[")[0] === (isOfOps ? "winograd_conv" : kernel)
    ),
  );
  program.poison();
  const actual = (await program.run(feeds, { read: ["out"] })).out!;
  program.dispose();

  const spec = kernelOp(test.op);
  const expected = Array.from(spec.reference(host, test.attrs), (y, k) => y + feeds.added![k]!);
  // 2^-24 rounding, growing with the root of up to 2,000 terms. In f16 the factors are exact, and each
  // of the 8 or 9 steps of a turn rounds what it adds to by 2^-12: 4e-4 to 6e-4 of the sum.
  assertClose(actual, expected, half ? 1e-3 : 3e-6, kernel);
}
