/** Launches that are run as one: what they give, and which may be. */
import assert from "node:assert/strict";
import { Gpu } from "../../../lib/gpu/device.ts";
import { Replay } from "../../../lib/gpu/replay.ts";
import type { GeneratedLaunch } from "../../../lib/graph/codegen.ts";
import { DeviceTensor } from "../../../lib/graph/device_tensor.ts";
import {
  adam,
  add,
  exp,
  mul,
  randomNormal,
  softmax,
  square,
  sum,
  transpose,
} from "../../../lib/graph/ops/mod.ts";
import { planProgram } from "../../../lib/graph/plan.ts";
import { Program } from "../../../lib/graph/program.ts";
import { mostLarge, partners, sideBySide } from "../../../lib/graph/side_by_side.ts";
import { input, numel, state, type Tensor } from "../../../lib/graph/tensor.ts";
import { assertClose } from "../../assert.ts";
import { normals, seededRandom } from "../../gpu.ts";

/**
 * Sums, numbers and a rearrangement that do not need each other, then what is made of all, and two
 * updates. Kernels whose threads wait for each other are left to GPUs: joined, they take software
 * adapters a minute to compile.
 */
function program() {
  const a = input("a", [5, 7]);
  const w = { left: state("left", [7, 3]), right: state("right", [7, 9]) };
  const left = sum(square(w.left), [1]);
  const right = sum(exp(w.right), [1]);
  const turned = transpose(a, [1, 0]);
  const numbers = randomNormal(input("key", [2], "u32"), [3, 5]);
  const loss = add(sum(mul(left, right)), sum(mul(sum(turned, [0]), sum(numbers, [0]))));
  const updates = (["left", "right"] as const).map((name) =>
    adam(
      {
        w: w[name],
        v: state(`moment ${name}`, w[name].shape),
        g: mul(w[name], loss),
        hyper: input("hyper", [3]),
        guard: input("guard", [1]),
      },
      { beta2: 0.9, eps: 1e-8 },
      "all",
    )
  );
  return { outputs: { left, right, turned, numbers, loss }, updates };
}

Deno.test("launches side by side give what they give one after the other", async () => {
  const random = seededRandom(5);
  const feeds = {
    a: normals(35, random),
    key: Uint32Array.of(3, 4),
    hyper: Float32Array.of(0.01, 1.5, 0.9),
    guard: Float32Array.of(1),
  };
  const start = new Map(
    [["left", [7, 3]], ["right", [7, 9]], ["moment left", [7, 3]], ["moment right", [7, 9]]]
      .map(([name, shape]) => {
        const sizes = shape as number[];
        return [name as string, {
          shape: sizes,
          data: normals(numel(sizes), random).map(Math.abs),
        }];
      }),
  );
  const results = [];
  for (const joinsLaunches of [false, true]) {
    const gpu = await Gpu.open("gpu", { joinsLaunches });
    const states = Object.fromEntries(
      [...start].map(([name, { shape, data }]) => [name, new DeviceTensor(gpu, shape, name, data)]),
    );
    const compiled = await Program.compile(gpu, { ...program(), state: states });
    compiled.poison();
    const read = await compiled.run(feeds, { read: Object.keys(program().outputs) });
    const after = await Promise.all(
      Object.entries(states).map(async ([name, tensor]) => [name, await tensor.read()] as const),
    );
    results.push({
      launches: compiled.plan.launches,
      values: { ...read, ...Object.fromEntries(after) },
    });
    gpu.close();
  }
  const [apart, joined] = results;
  for (const [name, values] of Object.entries<Float32Array>(joined!.values)) {
    assertClose(values, apart!.values[name]!, 3e-6, name);
  }
  const labels = joined!.launches.map(({ label }) => label);
  assert(labels.length <= apart!.launches.length - 3, labels.join("\n"));
  assert(labels.includes("2 adam"), labels.join("\n"));
});

Deno.test("sideBySide() makes one workgroup of several smaller ones, and stays within each grid", async () => {
  const gpu = await Gpu.open("gpu");
  const sizes = [64, 256, 32];
  const grid = [3, 1, 3] as const;
  const outs = sizes.map((threads, k) => input(`${k}`, [9 * threads], "u32"));
  const joined = sideBySide(sizes.map((threads, k) => ({
    label: `by ${threads}`,
    source: `
      struct Params { factor: u32 }
      @group(0) @binding(0) var<storage, read_write> out: array<u32>;
      @group(0) @binding(1) var<uniform> p: Params;
      @compute @workgroup_size(${threads})
      fn main(@builtin(workgroup_id) g: vec3<u32>, @builtin(local_invocation_index) i: u32) {
        let at = (g.z * 3u + g.y * 3u + g.x) * ${threads}u + i;
        out[at] = at * p.factor;
      }`,
    params: Uint32Array.of(2 + k, 0, 0, 0).buffer,
    grid,
    cost: 0,
    bindings: [
      { group: 0, binding: 0, tensor: outs[k]!, offset: 0, bytes: 36 * threads },
      { group: 0, binding: 1, tensor: null, offset: 0, bytes: 0 },
    ],
  })));
  const tensors = outs.map(({ shape }, k) => new DeviceTensor(gpu, shape, `out ${k}`));
  await launchOn(gpu, joined, new Map(outs.map((out, k) => [out, tensors[k]!])));
  for (const [k, tensor] of tensors.entries()) {
    const values = new Uint32Array((await tensor.read()).buffer);
    assert.deepEqual([...values], [...values.keys()].map((i) => i * (2 + k)));
  }
  gpu.close();
});

async function launchOn(
  gpu: Gpu,
  launch: GeneratedLaunch,
  tensors: ReadonlyMap<Tensor, DeviceTensor>,
) {
  const replay = await Replay.create(gpu, [{
    ...launch,
    bindings: launch.bindings.map(({ tensor, ...at }) => ({
      ...at,
      range: tensor && tensors.get(tensor)!.range,
    })),
  }]);
  await replay.submit(() => true);
  replay.dispose();
}

Deno.test("sideBySide() binds a tensor once that one of its members loads by four, one by one the other", async () => {
  const gpu = await Gpu.open("gpu");
  const x = input("x", [64]);
  const outs = ["whole", "halves"].map((name) => input(name, [16]));
  const member = (out: Tensor, element: string, value: string): GeneratedLaunch => ({
    label: out.source.kind,
    source: `
      struct Params { first: u32 }
      @group(0) @binding(0) var<storage, read_write> out: array<f32>;
      @group(0) @binding(1) var<uniform> p: Params;
      @group(1) @binding(0) var<storage, read> e0: array<${element}>;
      @compute @workgroup_size(16)
      fn main(@builtin(local_invocation_index) i: u32) { out[i] = ${value}; }`,
    params: Uint32Array.of(2, 0, 0, 0).buffer,
    grid: [1, 1, 1],
    cost: 0,
    bindings: [
      { group: 0, binding: 0, tensor: out, offset: 0, bytes: 64 },
      { group: 0, binding: 1, tensor: null, offset: 0, bytes: 0 },
      { group: 1, binding: 0, tensor: x, offset: 0, bytes: 256 },
    ],
  });
  const joined = sideBySide([
    member(outs[0]!, "f32", "e0[3u * i] + e0[p.first + u32(e0[i])]"),
    member(outs[1]!, "vec4<f32>", "e0[i].y + e0[i][p.first]"),
  ]);
  assert.equal(joined.bindings.filter(({ tensor }) => tensor === x).length, 1);
  const values = Float32Array.from({ length: 64 }, (_, i) => i);
  const tensors = new Map([
    [x, new DeviceTensor(gpu, [64], "x", values)],
    ...outs.map((out) => [out, new DeviceTensor(gpu, [16], "out")] as const),
  ]);
  await launchOn(gpu, joined, tensors);
  const [whole, halves] = await Promise.all(outs.map((out) => tensors.get(out)!.read()));
  assert.deepEqual([...whole!], Array.from({ length: 16 }, (_, i) => 4 * i + 2));
  assert.deepEqual([...halves!], Array.from({ length: 16 }, (_, i) => 8 * i + 3));
  gpu.close();
});

// Dawn refuses anything else; Deno's own WebGPU does not look.
Deno.test("threads that wait for each other are told their group by no value of their own", () => {
  const [a, b] = [softmax(input("x", [6, 70])), softmax(input("y", [9, 70]))];
  const { launches } = planProgram({ outputs: { a, b } }, "gpu", {
    bindingBytes: 2 ** 27,
    bufferBytes: 2 ** 27,
    storageBuffers: 8,
    workgroupBytes: 2 ** 16,
    joinsLaunches: true,
  });
  assert.deepEqual(launches.map(({ label }) => label), ["2 softmax"]);
  const [, main] = launches[0]!.source.split("fn main(");
  const groups = main!.match(/let (m|group) = .*;/g)!;
  assert.equal(groups.length, 4);
  for (const text of groups) assert.doesNotMatch(text, /lane/);
});

Deno.test("partners() joins what is small, of fitting workgroups and one group, within the bindings", () => {
  const tensors = Array.from({ length: 12 }, (_, i) => input(`${i}`, [64]));
  const launch = (which: number[], threads = 64) => ({
    label: "",
    source: `@workgroup_size(${threads})`,
    params: new ArrayBuffer(16),
    grid: [1, 1, 1] as const,
    cost: 0,
    bindings: which.map((i) => ({
      group: 1,
      binding: i,
      tensor: tensors[i]!,
      offset: 0,
      bytes: 256,
    })),
  });
  const item = (which: number[], after: number[] = [], more: object = {}) => ({
    launch: launch(which),
    operations: 1,
    bytes: 1,
    after,
    group: "",
    ...more,
  });
  assert.deepEqual(partners([item([0]), item([1]), item([2])], 16), [[0, 1, 2]]);
  assert.deepEqual(partners([item([0]), item([1], [0]), item([2])], 16), [[0, 2], [1]]);
  assert.deepEqual(partners([item([0, 1]), item([1, 2]), item([3])], 3), [[0, 1], [2]]);
  assert.deepEqual(partners([item([0]), item([1], [], { group: "b" })], 16), [[0], [1]]);
  assert.deepEqual(partners([item([0]), item([1], [], { operations: 1e12 })], 16), [[1], [0]]);
  const waits = { launch: { ...launch([3]), source: "@workgroup_size(64) workgroupBarrier" } };
  const three = [item([3], [], waits), item([4], [], waits), item([5], [], waits)];
  assert.deepEqual(partners(three, 16), [[0, 1], [2]]);
  assert.deepEqual(partners(three, 16, mostLarge(32768)), [[0], [1], [2]]);
  assert.equal(mostLarge(49152), 2);
  const wide = item([1], [], { launch: launch([1], 128) });
  assert.deepEqual(partners([item([0]), wide, item([2])], 16), [[0, 1, 2]]);
  assert.deepEqual(partners([item([3], [], waits), wide], 16), [[0], [1]]);
  const odd = item([1], [], { launch: launch([1], 96) });
  assert.deepEqual(partners([item([0]), odd], 16), [[0], [1]]);
  // What becomes of large launches waits until all of them have run, and is then done together.
  const large = (which: number, after: number[]) => item([which], after, { operations: 1e12 });
  const chain = [large(0, []), item([1], [0]), large(2, [0]), item([3], [2]), large(4, [2])];
  assert.deepEqual(partners(chain, 16), [[0], [2], [4], [1, 3]]);
  // What moves much takes memory until it is used, so it is not run long before its turn.
  const many = Array.from({ length: 20 }, (_, i) => large(i % 10, []));
  const moves = (bytes: number) =>
    partners([item([10]), ...many, item([11], [], { bytes }), large(0, [0, 21])], 16)[0];
  assert.deepEqual(moves(1), [0, 21]);
  assert.deepEqual(moves(2 ** 26 + 1), [0]);
});
