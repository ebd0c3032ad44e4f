/** Kernels that are measured, and what is kept of it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { Gpu } from "../../../lib/gpu/device.ts";
import { candidates } from "../../../lib/graph/codegen.ts";
import { conv2d, convTranspose2d, matmul } from "../../../lib/graph/ops/mod.ts";
import { Program } from "../../../lib/graph/program.ts";
import { input } from "../../../lib/graph/tensor.ts";
import { type Measured, tune } from "../../../lib/graph/tune.ts";
import { Tuning, tuningFolder } from "../../../lib/graph/tuning.ts";
import { assertClose } from "../../assert.ts";
import { normals, seededRandom } from "../../gpu.ts";
import { temporaryFolder } from "../../temporary.ts";

const [a, b] = [input("a", [20, 40]), input("b", [40, 33])];
const product = matmul({ a, b }, {});
const again = matmul({ a: input("other", [20, 40]), b }, {});
const maps = conv2d({ x: input("x", [1, 3, 6, 8]), w: input("w", [5, 3, 3, 3]) }, {
  stride: 1,
  pad: 1,
});
const random = seededRandom(3);
const feeds = { a: normals(800, random), b: normals(1320, random) };

/** Runs with a folder for the cache, on a device of its own, as another process would. */
async function inProcess<T>(cache: string, body: (gpu: Gpu) => Promise<T>): Promise<T> {
  const before = Deno.env.get("XDG_CACHE_HOME");
  Deno.env.set("XDG_CACHE_HOME", cache);
  const gpu = await Gpu.open();
  try {
    return await body(gpu);
  } finally {
    gpu.close();
    if (before === undefined) Deno.env.delete("XDG_CACHE_HOME");
    else Deno.env.set("XDG_CACHE_HOME", before);
  }
}

async function measure(gpu: Gpu): Promise<{ measured: Measured[]; saved: boolean }> {
  const measured: Measured[] = [];
  const progress: string[] = [];
  let turns = 0;
  let others = 0;
  const outputs = { product, again, maps };
  const saved = await tune(gpu, { outputs }, {
    onMeasured: (one) => measured.push(one),
    onProgress: (done, of) => progress.push(`${done}/${of}`),
    takeTurn() {
      assert.equal(others++, 0, "a turn is given back before the next");
      turns++;
      return Promise.resolve({ [Symbol.dispose]: () => others-- });
    },
  });
  assert.deepEqual([turns, others], [measured.length, 0]);
  assert.equal(gpu.allocated.buffers, 0);
  assert.deepEqual(progress, measured.length === 0 ? [] : ["0/2", "1/2", "2/2"]);
  return { measured, saved };
}

/** The product and the kernel that made it. */
async function multiply(gpu: Gpu) {
  const program = await Program.compile(gpu, { outputs: { product } });
  program.poison();
  const values = (await program.run(feeds, { read: ["product"] })).product!;
  program.dispose();
  return { values, kernel: program.plan.launches[0]!.label };
}

/** The one file of the cache. */
async function fileIn(cache: string): Promise<string> {
  return await inProcess(cache, async () => {
    const names = await Array.fromAsync(Deno.readDir(tuningFolder()), ({ name }) => name);
    assert.equal(names.length, 1);
    return join(tuningFolder(), names[0]!);
  });
}

Deno.test("tune() times every kernel of each call once, and later processes take the fastest", async () => {
  using folder = temporaryFolder();
  const { measured, saved } = await inProcess(folder.path, measure);
  assert(saved);
  const kernelsOf = await inProcess(folder.path, (gpu) =>
    Promise.resolve(
      [product, maps].map((call) =>
        candidates(call, gpu.kind, gpu.limits).map(({ kernel }) => kernel.name).sort()
      ),
    ));
  const found = new Map(measured.map((one) => [one.call, one]));
  assert.deepEqual([...found.keys()].sort(), [
    'conv2d [1,3,6,8] [5,3,3,3] {"stride":1,"pad":1}',
    "matmul [20,40] [40,33] {}",
  ]);
  const { chosen, times } = found.get("matmul [20,40] [40,33] {}")!;
  assert.deepEqual(times.map(({ kernel }) => kernel).sort(), kernelsOf[0]);
  assert(times.every(({ us }, i) => us > 0 && (i === 0 || us >= times[i - 1]!.us)));
  assert(times.find(({ kernel }) => kernel === chosen)!.us <= 1.05 * times[0]!.us);

  await inProcess(folder.path, async (gpu) => {
    assert.deepEqual(await measure(gpu), { measured: [], saved: true });
    assert.equal((await multiply(gpu)).kernel, chosen);
  });

  // Whatever the file says is taken, as long as there is such a kernel.
  using empty = temporaryFolder();
  const usual = (await inProcess(empty.path, multiply)).kernel;
  const file = await fileIn(folder.path);
  const slowest = times.at(-1)!.kernel;
  for (const [said, taken] of [[slowest, slowest], ["matmul_none", usual]]) {
    const fastest = { "matmul [20,40] [40,33] {}": said };
    await Deno.writeTextFile(file, JSON.stringify({ fastest }));
    assert.equal((await inProcess(folder.path, multiply)).kernel, taken);
  }
});

Deno.test("tune() times Winograd's convolution beside the kernels of GPUs", async () => {
  using folder = temporaryFolder();
  const x = input("x", [1, 5, 9, 9]);
  const transposed = convTranspose2d({ x, w: input("w", [5, 4, 3, 3]) }, {
    stride: 1,
    pad: 1,
    outputPadding: [0, 0],
  });
  const gpu = await Gpu.open("gpu");
  await Tuning.of(gpu, folder.path);
  const measured: Measured[] = [];
  assert(await tune(gpu, { outputs: { transposed } }, { onMeasured: (one) => measured.push(one) }));
  const [{ call, times }] = measured as [Measured];
  assert.equal(measured.length, 1);
  assert.equal(times.filter(({ kernel }) => kernel === "winograd").length, 1);
  assert(times.length > 5);

  // And it is taken where it is found to be the fastest.
  (await Tuning.of(gpu)).add(call, "winograd");
  const program = await Program.compile(gpu, { outputs: { transposed } });
  assert.deepEqual(program.plan.launches.map(({ label }) => label), [
    "winograd_weights",
    "winograd_conv",
  ]);
  program.dispose();
  gpu.close();
});

Deno.test("a cache that is missing, damaged or cannot be written changes nothing but the time", async () => {
  using folder = temporaryFolder();
  const plain = await inProcess(folder.path, multiply);
  await inProcess(folder.path, measure);
  const file = await fileIn(folder.path);
  for (const text of ["", "{", "null", "[]", '{"fastest":{"matmul [20,40] [40,33] {}":7}}', "\0"]) {
    await Deno.writeTextFile(file, text);
    await inProcess(folder.path, async (gpu) => {
      const { values, kernel } = await multiply(gpu);
      assert.equal(kernel, plain.kernel);
      assert.deepEqual(values, plain.values);
    });
  }
  await inProcess(folder.path, async (gpu) => {
    assert.equal((await measure(gpu)).measured.length, 2);
    JSON.parse(await Deno.readTextFile(file)); // it is whole again
    assertClose((await multiply(gpu)).values, plain.values, 1e-6, "product");
  });

  const occupied = folder.file("occupied");
  await Deno.writeTextFile(occupied, "");
  await inProcess(occupied, async (gpu) => {
    const { measured, saved } = await measure(gpu);
    assert.equal(saved, false);
    // What was measured serves this process all the same.
    const { chosen } = measured.find(({ call }) => call.startsWith("matmul"))!;
    assert.equal((await multiply(gpu)).kernel, chosen);
  });
});

Deno.test("tune() keeps what it finds in the folder that is named, and knows what the usual one has", async () => {
  using folder = temporaryFolder();
  const [cache, own, other] = ["cache", "own", "other"].map(folder.file) as [
    string,
    string,
    string,
  ];
  const counted = (cache: string, kept: string) =>
    inProcess(cache, async (gpu) => {
      await Tuning.of(gpu, kept);
      return (await measure(gpu)).measured.length;
    });
  assert.equal(await counted(cache, own), 2);
  await assert.rejects(Deno.lstat(cache), Deno.errors.NotFound);
  assert.equal(await counted(cache, own), 0);

  // Found out in the usual way later on, and different.
  assert.equal((await inProcess(cache, measure)).measured.length, 2);
  assert.equal(await counted(cache, other), 0);
  const call = "matmul [20,40] [40,33] {}";
  const fastest = { [call]: "another" };
  await Deno.writeTextFile(await fileIn(cache), JSON.stringify({ fastest }));
  await inProcess(cache, async (gpu) => {
    assert.equal((await Tuning.of(gpu, own)).fastest(call), "another");
  });
});

Deno.test("tune() begins no call after its time is up", async () => {
  using folder = temporaryFolder();
  await inProcess(folder.path, async (gpu) => {
    const none = await tune(gpu, { outputs: { product } }, {
      seconds: -1,
      onMeasured: () => assert.fail(),
      onProgress: () => assert.fail(),
    });
    assert(none);
  });
});

Deno.test({
  name: "a program that may not know where the cache is goes without one",
  permissions: { read: true, env: ["NADA_KERNELS", "NADA_GPU"] },
  async fn() {
    const gpu = await Gpu.open();
    const tuning = await Tuning.of(gpu);
    assert.equal(tuning.fastest("any"), undefined);
    assert.equal(await tuning.save(), false);
    gpu.close();
  },
});
