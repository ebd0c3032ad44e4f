import assert from "node:assert/strict";
import { type AdapterKind, Gpu } from "../../../lib/gpu/device.ts";
import { kernelFor } from "../../../lib/graph/codegen.ts";
import { DeviceTensor } from "../../../lib/graph/device_tensor.ts";
import { grad } from "../../../lib/graph/grad.ts";
import { type AnyOp, registry, type Sample } from "../../../lib/graph/op.ts";
import {
  assign,
  conv2d,
  convTranspose2d,
  lrelu,
  mean,
  mul,
  reshape,
  square,
  sum,
  upfirdn2d,
} from "../../../lib/graph/ops/mod.ts";
import { planProgram } from "../../../lib/graph/plan.ts";
import { Program } from "../../../lib/graph/program.ts";
import { splitLarge } from "../../../lib/graph/split.ts";
import {
  constant,
  type HostArray,
  input,
  numel,
  state,
  Tensor,
} from "../../../lib/graph/tensor.ts";
import { generatorOf } from "../../../models/generator/families.ts";
import { leavesOf } from "../../../models/generator/generator.ts";
import { architecture } from "../../../models/stylegan2/architecture.ts";
import { assertClose } from "../../assert.ts";
import { evaluate, normals, seededRandom, testGpu } from "../../gpu.ts";
import { callOf } from "./calls.ts";

// Sums of a few thousand terms in another order.
const REORDERED = 2e-6;

const bytesOf = ({ shape }: Tensor) => 4 * numel(shape);

/** All ops behind some tensors. */
function opsBehind(roots: readonly Tensor[]): Tensor[] {
  const seen = new Set(roots);
  for (const { source } of seen) {
    if (source.kind === "op") Object.values(source.inputs).forEach((x) => seen.add(x));
  }
  return [...seen].filter(({ source }) => source.kind === "op");
}

/** The calls of `op` behind a tensor. */
const callsOf = (op: AnyOp, root: Tensor) =>
  opsBehind([root]).filter(({ source }) => source.kind === "op" && source.op === op);

const CUTTABLE = [...registry.values()].filter((op) =>
  (op.kind === "kernel" || op.kind === "gather") && op.blocks
);

/** All else that has a kernel: what is made of a key, and rows of a table, which are states. */
const WHOLE = ["embedding", "embedding_grad", "random_normal"];

Deno.test("splitLarge() knows how to cut all ops with kernels but a few", () => {
  const others = [...registry.values()].filter((op) => op.kind === "kernel" && !op.blocks);
  assert.deepEqual(others.map(({ name }) => name).toSorted(), WHOLE);
});

const { kind, limits } = await testGpu();

/** Whether adapters of a kind have what it takes for the samples of an op. */
const isFor = (on: AdapterKind, op: AnyOp) =>
  op.kind !== "kernel" || op.samples.every(({ inputs, attrs }: Sample<string, object>) => {
    const leaves = Object.entries(inputs).map(([name, shape]) => [name, input(name, shape)]);
    return kernelFor(callOf(op, Object.fromEntries(leaves), { ...attrs }), on, limits) !== null;
  });

for (const op of CUTTABLE) {
  const isHere = isFor(kind, op);
  const ignore = !isHere && kind === "gpu";
  const name = `splitLarge() leaves the values of ${op.name}() as they are, however it is cut`;
  Deno.test({ name, ignore }, async () => {
    // Kernels for GPUs, which run on any adapter, if slowly.
    const gpu = await (isHere ? testGpu() : Gpu.open("gpu"));
    let cut = 0;
    for (const [i, { inputs, attrs, fill }] of op.samples.entries()) {
      const random = seededRandom(1 + i);
      const leaves: Record<string, Tensor> = {};
      const feeds: Record<string, HostArray> = {};
      for (const [name, shape] of Object.entries(inputs)) {
        const dtype = op.dtypes?.[name] ?? "f32";
        leaves[name] = input(name, shape, dtype);
        const filling = fill?.[name];
        const values = filling
          ? Array.from({ length: numel(shape) }, (_, k) => filling(k, random))
          : normals(numel(shape), random);
        feeds[name] = dtype === "u32" ? Uint32Array.from(values) : Float32Array.from(values);
      }
      const shape = op.shape(leaves, attrs);
      const y = new Tensor(shape, "f32", { kind: "op", op, inputs: leaves, attrs });
      const largest = Math.max(bytesOf(y), ...Object.values(leaves).map(bytesOf));
      const read = mul(y, 3); // what is given out is not cut
      const outputs: Record<string, Tensor> = { whole: read };
      for (const parts of [2, 6]) {
        const split = splitLarge({ outputs: { read }, updates: [] }, largest / parts).outputs.read!;
        assert.deepEqual(split.shape, y.shape);
        const calls = callsOf(op, split).length;
        if (calls === 1 || calls > 12) continue; // sizes without small divisors
        cut++;
        outputs[`in ${parts}`] = split;
      }
      const results = await evaluate(outputs, feeds, {}, {}, gpu);
      for (const [name, values] of Object.entries(results)) {
        assertClose(values, results.whole!, REORDERED, `${op.name} #${i} ${name}`);
      }
    }
    if (gpu !== await testGpu()) gpu.close();
    assert(cut > 0, `${op.name} was never cut`);
  });
}

Deno.test("splitLarge() gives back a program that fits as it is", () => {
  const roots = { outputs: { y: square(input("x", [5, 7])) }, updates: [] };
  assert.equal(splitLarge(roots, 4 * 35), roots);
});

Deno.test("splitLarge() keeps what follows a cut op in its blocks, and nothing above the limit", () => {
  const x = input("x", [2, 4, 9, 9]);
  const y = convTranspose2d({ x, w: input("w", [4, 8, 3, 3]) }, {
    stride: 2,
    pad: 0,
    outputPadding: [0, 0],
  }); // [2, 8, 19, 19]
  const total = sum(lrelu({ x: mul(y, input("scale", [2, 8, 1, 1])) }, { slope: 0.2, gain: 1 }));
  const limit = 4 * 3 * 19 * 19; // three of a sample's channels, which are not to be cut in three
  const split = splitLarge({ outputs: { total }, updates: [] }, limit).outputs.total!;
  for (const name of ["conv_transpose2d", "lrelu"]) {
    const calls = callsOf(registry.get(name)!, split);
    assert.deepEqual(calls.map(({ shape }) => shape), Array(8).fill([1, 2, 19, 19]));
  }
});

Deno.test("planProgram() refuses what it cannot cut and says how large it is", () => {
  const x = input("x", [1, 1, 64, 64]);
  assert.throws(
    () =>
      planProgram({ outputs: { y: square(x) } }, "gpu", {
        bindingBytes: 4096,
        bufferBytes: 2 ** 20,
        storageBuffers: 8,
      }),
    /Cannot run .* \[1,1,64,64\]: it takes 0\.0 MiB and the adapter binds at most 0\.0 MiB/,
  );
});

/** Loss and gradients of a StyleGAN2 generator whose largest maps have 33x33 pixels. */
function generatorStep(batch: number) {
  const a = architecture({ zSize: 8, wSize: 8, mappingDepth: 2, channels: [8, 8, 8, 6] });
  const generator = generatorOf(a);
  const p = leavesOf(generator);
  const wPlus = input("w", [batch, a.wCount, a.wSize]);
  const { image } = generator.synthesis(p, wPlus, { mode: "const" });
  const loss = mean(mul(image, input("target", image.shape)));
  const names = [...generator.parameterShapes.keys()].filter((name) => !name.startsWith("style"));
  const gradients = grad(loss, names.map((name) => p[name]!));
  const outputs: Record<string, Tensor> = { loss };
  names.forEach((name, i) => outputs[name] = gradients[i]!);
  return { outputs, p, wPlus, image };
}

for (const [batch, bindingBytes] of [[2, 25 * 1024], [1, 14 * 1024], [4, 50 * 1024]] as const) {
  Deno.test(`a generator's gradients at batch ${batch} are the same with bindings of ${bindingBytes} bytes`, async () => {
    const { outputs, p, wPlus, image } = generatorStep(batch);
    const random = seededRandom(batch);
    const host = Object.fromEntries(
      Object.entries(p).map(([name, { shape }]) => [name, normals(numel(shape), random)]),
    );
    const inputs = {
      w: normals(numel(wPlus.shape), random),
      target: normals(numel(image.shape), random),
    };
    const run = async (gpu: Gpu) => {
      const tensors = Object.fromEntries(
        Object.entries(p).map(([name, { shape }]) => [
          name,
          new DeviceTensor(gpu, shape, name, host[name]),
        ]),
      );
      const program = await Program.compile(gpu, { outputs, state: tensors });
      program.poison();
      const values = await program.run(inputs, { read: Object.keys(outputs) });
      const bound = program.plan.launches.flatMap(({ bindings }) =>
        bindings.map(({ bytes }) => bytes)
      );
      program.dispose();
      Object.values(tensors).forEach((tensor) => tensor.dispose());
      return { values, largest: Math.max(...bound), launches: program.plan.launches.length };
    };
    const wide = await run(await testGpu());
    assert(wide.largest > bindingBytes);
    const narrowGpu = await Gpu.open(undefined, { bindingBytes });
    try {
      const narrow = await run(narrowGpu);
      assert(narrow.largest <= bindingBytes);
      assert(narrow.launches > wide.launches);
      for (const [name, values] of Object.entries(narrow.values)) {
        // Sums over all pixels cancel to a small rest.
        assertClose(values, wide.values[name]!, 1e-4, name);
      }
    } finally {
      narrowGpu.close();
    }
  });
}

Deno.test("a program with updates is cut too, and its states are not", async () => {
  const gpu = await Gpu.open(undefined, { bindingBytes: 1300 });
  try {
    const w = state("w", [3, 2, 3, 3]);
    const x = input("x", [2, 2, 9, 9]);
    const y = conv2d({ x, w }, { stride: 1, pad: 1 }); // 1944 bytes, x has 1296
    const f = constant(Float32Array.of(1, 3, 3, 1), [1, 4]);
    const blurred = upfirdn2d({ x: y, f }, { up: 1, down: 1, pad: [2, 1, 0, 0] });
    const loss = mean(square(reshape(blurred, [6, 81])));
    const [gradient] = grad(loss, [w]);
    const random = seededRandom(5);
    const weights = normals(54, random);
    const feed = { x: normals(numel(x.shape), random) };
    const tensor = new DeviceTensor(gpu, w.shape, "w", weights);
    const program = await Program.compile(gpu, {
      updates: [assign({ state: w, value: gradient! }, {})],
      state: { w: tensor },
    });
    program.poison();
    await program.run(feed);
    const wide = await testGpu();
    const wideTensor = new DeviceTensor(wide, w.shape, "w", weights);
    const { gradient: expected } = await evaluate({ gradient: gradient! }, feed, { w: wideTensor });
    assertClose(await tensor.read(), expected, 1e-5);
    wideTensor.dispose();
    program.dispose();
  } finally {
    gpu.close();
  }
});
