import assert from "node:assert/strict";
import { GpuError, KernelError, ShapeError } from "../../../lib/errors.ts";
import { Gpu } from "../../../lib/gpu/device.ts";
import { DeviceTensor } from "../../../lib/graph/device_tensor.ts";
import { grad } from "../../../lib/graph/grad.ts";
import { planMemory } from "../../../lib/graph/memory.ts";
import {
  adam,
  add,
  assign,
  exp,
  lrelu,
  mul,
  quickGelu,
  randomNormal,
  reshape,
  sigmoid,
  softmax,
  square,
  sub,
  sum,
  transpose,
} from "../../../lib/graph/ops/mod.ts";
import { planProgram } from "../../../lib/graph/plan.ts";
import { Program } from "../../../lib/graph/program.ts";
import { constant, input, state, type Tensor } from "../../../lib/graph/tensor.ts";
import { assertClose } from "../../assert.ts";
import { evaluate, normals, seededRandom, testGpu } from "../../gpu.ts";

const LIMITS = { bindingBytes: 2 ** 27, bufferBytes: 2 ** 30, storageBuffers: 8 };
const labels = (outputs: Record<string, Tensor>) =>
  planProgram({ outputs }, "gpu", LIMITS).launches.map((launch) => launch.label);

Deno.test("planProgram() drops nodes that nothing asks for and runs equal calls once", () => {
  const x = input("x", [4, 5]);
  exp(x); // dead
  const twice = add(sum(square(x)), sum(square(x)));
  assert.deepEqual(labels({ twice }), ["sum_strided[square,add]"]);
});

Deno.test("planProgram() fuses an elementwise chain into one launch", () => {
  const x = input("x", [3, 4, 5]);
  const b = input("b", [4, 1]);
  const y = lrelu({ x: mul(add(x, b), 3) }, { slope: 0.2, gain: 2 });
  assert.deepEqual(labels({ y }), ["map[add,affine,lrelu]"]);
});

Deno.test("planProgram() fuses what follows a kernel into its epilogue and what precedes into its loader", () => {
  const x = input("x", [6, 70]);
  const b = input("b", [6, 70]);
  const y = quickGelu(add(softmax(mul(x, 2)), b));
  assert.deepEqual(labels({ y }), ["softmax[affine,add,quick_gelu]"]);
});

Deno.test("planProgram() keeps a value that two launches read", () => {
  const x = input("x", [6, 70]);
  const e = exp(x);
  const launches = labels({ a: sum(e), b: softmax(e) });
  assert.equal(launches.filter((label) => label.includes("exp")).length, 1);
});

Deno.test("planProgram() cuts a launch that would bind more buffers than the adapter allows", async () => {
  const inputs = Array.from({ length: 20 }, (_, i) => input(`x${i}`, [7, 3]));
  const total = inputs.reduce(add);
  const plan = planProgram({ outputs: { total } }, "gpu", LIMITS);
  assert.ok(plan.launches.length > 1);
  for (const { bindings } of plan.launches) {
    assert.ok(bindings.filter(({ tensor }) => tensor).length <= LIMITS.storageBuffers);
  }
  const random = seededRandom(5);
  const feeds = inputs.map((_, i) => [`x${i}`, normals(21, random)] as const);
  const { total: actual } = await evaluate({ total }, Object.fromEntries(feeds));
  const expected = feeds[0]![1].map((_, i) => feeds.reduce((s, [, data]) => s + data[i]!, 0));
  assertClose(actual, expected, 1e-6);
});

Deno.test("planMemory() never overlaps tensors that live together and reuses what is free", () => {
  const random = seededRandom(1);
  const lives = Array.from({ length: 300 }, (_, tensor) => {
    const first = Math.floor(random() * 200);
    return { tensor, bytes: 1 + Math.floor(random() * 1e5), first, last: first + 1 + tensor % 9 };
  });
  const { places, arenas } = planMemory(lives, 400_000);
  for (const a of lives) {
    const at = places.get(a.tensor)!;
    assert.equal(at.offset % 256, 0);
    assert.ok(at.offset + a.bytes <= arenas[at.arena]!);
    for (const b of lives) {
      const other = places.get(b.tensor)!;
      if (a === b || at.arena !== other.arena || a.last < b.first || b.last < a.first) continue;
      assert.ok(at.offset + a.bytes <= other.offset || other.offset + b.bytes <= at.offset);
    }
  }
  const total = lives.reduce((bytes, life) => bytes + life.bytes, 0);
  assert.ok(arenas.reduce((a, b) => a + b) < total / 8, `${arenas} of ${total}`);
});

Deno.test("planMemory() refuses a tensor larger than a buffer may be", () => {
  assert.throws(
    () => planMemory([{ tensor: 0, bytes: 2000, first: 0, last: 1 }], 1024),
    GpuError,
  );
});

Deno.test("grad() can be differentiated again", async () => {
  const x = input("x", [5]);
  const [first] = grad(sum(mul(square(x), sigmoid(x))), [x]);
  const [second] = grad(sum(square(first!)), [x]);
  const data = Float32Array.of(-1.5, -0.2, 0.1, 0.9, 2);
  const { second: actual } = await evaluate({ second: second! }, { x: data });
  const f1 = (v: number) => {
    const s = 1 / (1 + Math.exp(-v));
    return 2 * v * s + v * v * s * (1 - s);
  };
  const h = 1e-5;
  const expected = data.map((v) => (f1(v + h) ** 2 - f1(v - h) ** 2) / (2 * h));
  assertClose(actual, expected, 1e-5);
});

Deno.test("grad() gives zeros for a tensor that the loss does not depend on", async () => {
  const [x, y] = [input("x", [3]), input("y", [2])];
  const [gx, gy] = grad(sum(square(x)), [x, y]);
  const out = await evaluate({ gx: gx!, gy: gy! }, { x: Float32Array.of(1, 2, 3) });
  assert.deepEqual([...out.gx], [2, 4, 6]);
  assert.deepEqual([...out.gy], [0, 0]);
});

Deno.test("Program reads reshapes of inputs, constants and states as outputs", async () => {
  const gpu = await testGpu();
  const held = new DeviceTensor(gpu, [4], "held", Float32Array.of(1, 2, 3, 4));
  const out = await evaluate(
    {
      fed: reshape(input("x", [2, 3]), [6]),
      fixed: constant(Float32Array.of(7, 8), [2]),
      held: reshape(state("s", [4]), [2, 2]),
    },
    { x: Float32Array.of(1, 2, 3, 4, 5, 6) },
    { s: held },
  );
  assert.deepEqual([...out.fed], [1, 2, 3, 4, 5, 6]);
  assert.deepEqual([...out.fixed], [7, 8]);
  assert.deepEqual([...out.held], [1, 2, 3, 4]);
  held.dispose();
});

Deno.test("Program updates states after everything that reads their old values", async () => {
  const gpu = await testGpu();
  const tensor = new DeviceTensor(gpu, [3], "w", Float32Array.of(1, 2, 3));
  const w = state("w", [3]);
  const program = await Program.compile(gpu, {
    outputs: { before: mul(w, 10), total: sum(w) },
    updates: [assign({ state: w, value: mul(w, 2) }, {})],
    state: { w: tensor },
  });
  for (const scale of [1, 2, 4]) {
    const { before, total } = await program.run({}, { read: ["before", "total"] });
    assert.deepEqual([...before!], [10 * scale, 20 * scale, 30 * scale]);
    assert.deepEqual([...total!], [6 * scale]);
  }
  assert.deepEqual([...await tensor.read()], [8, 16, 24]);
  program.dispose();
  tensor.dispose();
});

Deno.test("Program leaves out a group's update and all that only it needs", async () => {
  const gpu = await testGpu();
  const names = ["a", "b"];
  const leaves = names.map((name) => state(name, [2]));
  const tensors = names.map((name) => new DeviceTensor(gpu, [2], name, Float32Array.of(1, 1)));
  const shared = exp(input("x", [2]));
  const updates = leaves.map((leaf, i) => {
    const column = transpose(reshape(mul(shared, leaf), [1, 2]), [1, 0]);
    return assign({ state: leaf, value: add(column, i) }, {}, names[i]);
  });
  const program = await Program.compile(gpu, {
    outputs: { loss: sum(shared) },
    updates,
    state: { a: tensors[0]!, b: tensors[1]! },
  });
  const zero = Float32Array.of(0, 0);
  await program.run({ x: zero }, { skip: new Set(["b"]) });
  assert.deepEqual([...await tensors[0]!.read(), ...await tensors[1]!.read()], [1, 1, 1, 1]);
  await program.run({ x: zero }, { skip: new Set(["a"]) });
  assert.deepEqual([...await tensors[1]!.read()], [2, 2]);
  const needed = program.plan.launches.map(({ groups }) => groups && [...groups].join());
  assert.ok(needed.includes("a") && needed.includes("b") && needed.includes(null));
  program.dispose();
  tensors.forEach((tensor) => tensor.dispose());
});

/** Keeps a log of what is encoded for a device, submitted to it and read from it. */
function logged(gpu: Gpu): string[] {
  const log: string[] = [];
  const watch = <T extends object>(target: T, name: keyof T & string, entry: string) => {
    const method = (target[name] as (...args: unknown[]) => unknown).bind(target);
    Object.defineProperty(target, name, {
      value: (...args: unknown[]) => (log.push(entry), method(...args)),
    });
  };
  watch(gpu.device, "createCommandEncoder", "encode");
  watch(gpu.device.queue, "submit", "submit");
  const read = gpu.read.bind(gpu);
  gpu.read = async (ranges) => {
    const data = await read(ranges);
    log.push("read");
    return data;
  };
  return log;
}

Deno.test("Program encodes a third equal run while the device is busy with the second", async () => {
  const gpu = await Gpu.open();
  const log = logged(gpu);
  const x = input("x", [3]);
  const tensors = { v: new DeviceTensor(gpu, [3], "v"), w: new DeviceTensor(gpu, [3], "w") };
  const program = await Program.compile(gpu, {
    outputs: { y: exp(x) },
    updates: (["v", "w"] as const).map((name) =>
      assign({ state: state(name, [3]), value: mul(x, 2) }, {}, name)
    ),
    state: tensors,
  });
  const run = async (value: number, skip: string[] = []) => {
    log.length = 0;
    const feed = { x: Float32Array.of(value, 0, 1) };
    const { y } = await program.run(feed, { read: ["y"], skip: new Set(skip) });
    assertClose(y!, feed.x.map(Math.exp), 1e-6);
    return log.join();
  };
  // What changes no state, what does, and the reading of the results; and only then the next run.
  const [fresh, read] = ["encode,submit,encode,submit,", "encode,submit,"];
  assert.equal(await run(0.1), `${fresh}${read}read`);
  assert.equal(await run(0.2), `${fresh}${read}encode,encode,read`);
  assert.equal(await run(0.3), `submit,submit,${read}encode,encode,read`);
  assert.deepEqual([...await tensors.w.read()], [...Float32Array.of(0.6, 0, 2)]);
  // What was encoded for a run with all updates does not serve one without some.
  assert.equal(await run(0.4, ["w"]), `submit,encode,submit,${read}encode,read`);
  assert.deepEqual([...await tensors.v.read()], [...Float32Array.of(0.8, 0, 2)]);
  assert.deepEqual([...await tensors.w.read()], [...Float32Array.of(0.6, 0, 2)]);
  assert.equal(await run(0.5), `submit,encode,submit,${read}encode,read`);
  assert.deepEqual([...await tensors.w.read()], [1, 0, 2]);
  program.dispose();
  gpu.close();
});

Deno.test("Program begins the next run before it waits for the results of this one", async () => {
  const gpu = await Gpu.open();
  const log = logged(gpu);
  const [x, w] = [input("x", [3]), state("w", [3])];
  const y = softmax(mul(x, w)); // in scratch memory until the update
  const total = sum(square(y));
  const tensor = new DeviceTensor(gpu, [3], "w", Float32Array.of(1, 2, 3));
  const program = await Program.compile(gpu, {
    outputs: { total },
    updates: [assign({ state: w, value: add(w, mul(y, total)) }, {}, "w")],
    state: { w: tensor },
  });
  const feeds = Array.from({ length: 6 }, (_, i) => ({ x: Float32Array.of(0.1 * i, 1, -1) }));
  const none = new Set<string>();
  const run = async (i: number, next: number | null, skip = none) => {
    log.length = 0;
    const { total } = await program.run(feeds[i]!, {
      read: ["total"],
      skip,
      ...next !== null && { next: feeds[next]! },
    });
    return [total![0]!, log.filter((entry) => entry !== "encode").join()] as const;
  };
  const alone = "submit,submit,submit,read";
  const wanted: number[] = [];
  for (const i of feeds.keys()) {
    const [total, order] = await run(i, null, i === 4 ? new Set(["w"]) : none);
    wanted.push(total);
    assert.equal(order, i === 4 ? "submit,submit,read" : alone);
  }
  const after = await tensor.read();

  tensor.write(Float32Array.of(1, 2, 3));
  // Three runs are as foreseen. Then others: another input, and an update left out.
  assert.deepEqual(await run(0, 1), [wanted[0], "submit,submit,submit,submit,read"]);
  assert.deepEqual(await run(1, 2), [wanted[1], "submit,submit,submit,read"]);
  assert.deepEqual(await run(2, 5), [wanted[2], "submit,submit,submit,read"]);
  assert.deepEqual(await run(3, 4), [wanted[3], "submit,submit,submit,submit,read"]);
  assert.deepEqual(await run(4, 5, new Set(["w"])), [wanted[4], "submit,submit,submit,read"]);
  assert.deepEqual(await run(5, null), [wanted[5], alone]);
  assert.deepEqual(await tensor.read(), after);
  program.dispose();
  gpu.close();
});

Deno.test("Program leaves nothing allocated after dispose", async () => {
  const gpu = await testGpu();
  const before = { ...gpu.allocated };
  const w = new DeviceTensor(gpu, [9], "w");
  const v = new DeviceTensor(gpu, [9], "v");
  const [weight, moment] = [state("w", [9]), state("v", [9])];
  const loss = sum(square(sub(weight, input("x", [9]))));
  const [g] = grad(loss, [weight]);
  const program = await Program.compile(gpu, {
    outputs: { loss },
    updates: [
      adam(
        { w: weight, v: moment, g: g!, hyper: input("hyper", [3]), guard: reshape(loss, [1]) },
        { beta2: 0.9, eps: 1e-8 },
      ),
    ],
    state: { w, v },
  });
  const feeds = { x: new Float32Array(9).fill(3), hyper: Float32Array.of(0.1, 1 / (1 - 0.9), 0.9) };
  const { loss: first } = await program.run(feeds, { read: ["loss"] });
  assert.equal(first![0], 81);
  assert.ok(gpu.allocated.bytes > before.bytes);
  program.dispose();
  w.dispose();
  v.dispose();
  assert.deepEqual(gpu.allocated, before);
});

Deno.test("Program.compile() frees what it allocated when a state is missing or misshapen", async () => {
  const gpu = await testGpu();
  const before = { ...gpu.allocated };
  const w = state("w", [3]);
  await assert.rejects(Program.compile(gpu, { outputs: { y: exp(w) } }), ShapeError);
  const wrong = new DeviceTensor(gpu, [4], "w");
  await assert.rejects(
    Program.compile(gpu, { outputs: { y: exp(w) }, state: { w: wrong } }),
    /state "w" of shape \[3\]: it has shape \[4\]/,
  );
  wrong.dispose();
  assert.deepEqual(gpu.allocated, before);
});

Deno.test("Program.run() names an input that is missing or has the wrong size", async () => {
  const x = input("x", [3]);
  await assert.rejects(evaluate({ y: exp(x) }, {}), /input "x" of shape \[3\] got nothing/);
  await assert.rejects(
    evaluate({ y: exp(x) }, { x: new Float32Array(2) }),
    /input "x" of shape \[3\] got 2 values/,
  );
});

Deno.test("Program.compile() refuses a tensor that no binding can hold, naming op and shape", async () => {
  const huge = mul(input("x", [2 ** 15, 2 ** 14]), 2);
  await assert.rejects(
    evaluate({ huge }, {}),
    (error: Error) =>
      error instanceof GpuError && /map\[affine\].*\[32768,16384\]/.test(error.message),
  );
});

Deno.test("Gpu.pipeline() turns a kernel that does not compile into a KernelError with its text", async () => {
  const gpu = await testGpu();
  const source = "@compute @workgroup_size(1) fn main() { let x: u32 = 1.5; }";
  await assert.rejects(
    gpu.pipeline({ label: "broken", source, layout: [] }),
    (error: Error) => error instanceof KernelError && /"broken"/.test(error.message),
  );
});

Deno.test("Program.run() says that the device was lost", async () => {
  const gpu = await Gpu.open();
  const program = await Program.compile(gpu, { outputs: { y: exp(input("x", [3])) } });
  gpu.device.destroy();
  await gpu.device.lost;
  await assert.rejects(
    program.run({ x: new Float32Array(3) }, { read: ["y"] }),
    (error: Error) => error instanceof GpuError && /device was lost/.test(error.message),
  );
});

Deno.test("randomNormal() has the moments of a normal distribution and differs by key and stream", async () => {
  const key = input("key", [2], "u32");
  const count = 200_000;
  const out = await evaluate(
    { a: randomNormal(key, [count]), b: randomNormal(key, [count], 1) },
    { key: Uint32Array.of(7, 0) },
  );
  const { c } = await evaluate({ c: randomNormal(key, [count]) }, { key: Uint32Array.of(7, 1) });
  const moment = (x: Float32Array, p: number) => x.reduce((s, v) => s + v ** p, 0) / count;
  for (const values of [out.a, out.b, c]) {
    // four standard errors of each moment
    assert.ok(Math.abs(moment(values, 1)) < 4 * Math.sqrt(1 / count));
    assert.ok(Math.abs(moment(values, 2) - 1) < 4 * Math.sqrt(2 / count));
    assert.ok(Math.abs(moment(values, 3)) < 4 * Math.sqrt(15 / count));
    assert.ok(Math.abs(moment(values, 4) - 3) < 4 * Math.sqrt(96 / count));
  }
  const correlation = (x: Float32Array, y: Float32Array) =>
    x.reduce((s, v, i) => s + v * y[i]!, 0) / count;
  const limit = 4 * Math.sqrt(1 / count);
  assert.ok(Math.abs(correlation(out.a, out.b)) < limit);
  assert.ok(Math.abs(correlation(out.a, c)) < limit);
  assert.ok(Math.abs(correlation(out.a.subarray(0, -1), out.a.subarray(1))) < limit);
});
