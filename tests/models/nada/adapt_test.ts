import assert from "node:assert/strict";
import { openCheckpoint, writeSafetensors } from "../../../lib/checkpoint/mod.ts";
import { decodePng } from "../../../lib/image/mod.ts";
import { adapt, type AdaptOptions, resume } from "../../../models/nada/adapt.ts";
import type { LogEntry } from "../../../models/nada/run_folder.ts";
import { testGpu } from "../../gpu.ts";
import { temporaryFolder } from "../../temporary.ts";
import { writeTiny } from "../clip/tiny.ts";
import { madeUpTensors } from "../stylegan2/made_up.ts";

const GENERATOR = { zSize: 6, wSize: 5, mappingDepth: 2, channels: [7, 5] };
const NEVER = new AbortController().signal;

/** A made-up generator, a tiny CLIP and one template, in `folder`. */
async function files(folder: { file(name: string): string }): Promise<AdaptOptions> {
  const generator = folder.file("base.safetensors");
  await writeSafetensors(generator, madeUpTensors(GENERATOR, 3));
  const templates = folder.file("templates.txt");
  await Deno.writeTextFile(templates, "{}\n");
  return {
    generator,
    trainGenerator: null,
    clip: await writeTiny(folder.file("clip.safetensors")),
    source: "a",
    target: "b",
    steps: 5,
    batch: 2,
    lr: 0.002,
    seed: 2,
    sampleEvery: 2,
    noise: "random",
    z: null,
    templates,
    clipResize: "bicubic",
  };
}

const readLog = (file: string) =>
  Deno.readTextFileSync(file).trimEnd().split("\n").map((line) => JSON.parse(line) as LogEntry);

async function tensors(file: string) {
  using checkpoint = await openCheckpoint(file);
  const values = await Promise.all(checkpoint.tensors.values().map((tensor) => tensor.read()));
  return new Map([...checkpoint.tensors.keys()].map((name, i) => [name, values[i]!]));
}

Deno.test("adapt() writes the run folder: config, log, grids, chart, delta", async () => {
  using folder = temporaryFolder();
  const gpu = await testGpu();
  const before = { ...gpu.allocated };
  const options = await files(folder);
  const out = folder.file("run");
  const result = await adapt(gpu, out, options, {}, NEVER);
  assert.deepEqual(result, {
    folder: out,
    status: "finished",
    stepsDone: 5,
    lastGrid: `${out}/samples/step_0005.png`,
  });
  assert.deepEqual(gpu.allocated, before, "device memory was left allocated");

  const config = JSON.parse(Deno.readTextFileSync(`${out}/config.json`));
  assert.deepEqual(config.options, options);
  assert.match(config.files.generator.sha256, /^[0-9a-f]{64}$/);
  assert.deepEqual(Object.keys(config.files).sort(), ["clip", "generator", "templates"]);

  const log = readLog(`${out}/log.jsonl`);
  assert.deepEqual(log.map(({ step }) => step), [0, 1, 2, 3, 4]);
  for (const { loss, layers, ms } of log) {
    assert.ok(loss! > 0 && loss! < 2 && ms > 0);
    assert.deepEqual(layers, ["input", "conv1", "convs.0", "convs.1"]);
  }

  const grids = [...Deno.readDirSync(`${out}/samples`)].map(({ name }) => name).sort();
  assert.deepEqual(grids, ["step_0000.png", "step_0002.png", "step_0004.png", "step_0005.png"]);
  const { text } = decodePng(Deno.readFileSync(result.lastGrid));
  assert.equal(JSON.parse(text.nada!).target, "b");
  assert.ok(decodePng(Deno.readFileSync(`${out}/loss.png`)).width > 0);

  const base = await tensors(options.generator);
  const delta = await tensors(`${out}/adapted.safetensors`);
  assert.ok(delta.has("conv1.conv.weight") && delta.has("input.input"));
  assert.ok(!delta.has("style.1.weight") && !delta.has("to_rgb1.conv.weight"));
  for (const [name, values] of delta) {
    const old = base.get(name)!;
    const largest = Math.max(...values.map((value, i) => Math.abs(value - old[i]!)));
    // Adam without first moment moves a weight by at most lr / sqrt(1 - beta2) a step.
    assert.ok(largest > 0 && largest < 5 * 0.0016 * 12, `${name} moved by ${largest}`);
  }
});

Deno.test("resume() continues bit for bit where adapt() was stopped", async () => {
  using folder = temporaryFolder();
  const gpu = await testGpu();
  const options = await files(folder);
  await adapt(gpu, folder.file("whole"), options, {}, NEVER);

  const stop = new AbortController();
  const onStep = ({ step }: LogEntry) => step === 2 && stop.abort();
  const part = folder.file("part");
  const stopped = await adapt(gpu, part, options, { onStep }, stop.signal);
  assert.equal(stopped.status, "interrupted");
  assert.equal(stopped.stepsDone, 3);
  assert.equal(readLog(`${part}/log.jsonl`).length, 3);

  const resumed = await resume(gpu, part, null, {}, NEVER);
  assert.equal(resumed.status, "finished");
  for (const name of ["adapted", "resume"]) {
    const [one, other] = await Promise.all(
      ["whole", "part"].map((run) => tensors(folder.file(`${run}/${name}.safetensors`))),
    );
    assert.deepEqual(one, other);
  }
  const losses = (run: string) => readLog(folder.file(`${run}/log.jsonl`)).map((e) => e.loss);
  assert.deepEqual(losses("part"), losses("whole"));
});

Deno.test("resume() goes beyond the steps that were planned", async () => {
  using folder = temporaryFolder();
  const gpu = await testGpu();
  const options = { ...await files(folder), steps: 2 };
  await adapt(gpu, folder.file("run"), options, {}, NEVER);
  const { stepsDone } = await resume(gpu, folder.file("run"), 3, {}, NEVER);
  assert.equal(stepsDone, 3);
  assert.equal(readLog(folder.file("run/log.jsonl")).length, 3);
});

Deno.test("resume() refuses when a file of the run has changed", async () => {
  using folder = temporaryFolder();
  const gpu = await testGpu();
  const options = { ...await files(folder), steps: 1 };
  await adapt(gpu, folder.file("run"), options, {}, NEVER);
  await writeSafetensors(options.generator, madeUpTensors(GENERATOR, 4));
  await assert.rejects(
    resume(gpu, folder.file("run"), 2, {}, NEVER),
    /"[^"]*base.safetensors" is not the file that the run began with/,
  );
});

Deno.test("adapt() stops when the loss is no longer a number, and keeps the last good state", async () => {
  using folder = temporaryFolder();
  const options = { ...await files(folder), lr: 1e30, sampleEvery: 0 };
  const result = await adapt(await testGpu(), folder.file("run"), options, {}, NEVER);
  assert.equal(result.status, "diverged");
  assert.equal(result.stepsDone, 0);
  for (const name of ["adapted", "resume"]) {
    for (const values of (await tensors(folder.file(`run/${name}.safetensors`))).values()) {
      assert.ok(values.every(Number.isFinite));
    }
  }
});

Deno.test("adapt() writes nothing when what it is given is no good", async () => {
  using folder = temporaryFolder();
  const gpu = await testGpu();
  const options = await files(folder);
  const out = folder.file("run");
  const z = folder.file("z.safetensors");
  await writeSafetensors(z, [["z", { shape: [4, 2, 6], data: new Float32Array(48) }]]);
  const other = folder.file("other.safetensors");
  await writeSafetensors(other, madeUpTensors({ ...GENERATOR, channels: [7, 3] }, 3));
  const broken = madeUpTensors(GENERATOR, 3);
  broken.get("conv1.conv.weight")!.data[5] = NaN;
  const nan = folder.file("nan.safetensors");
  await writeSafetensors(nan, broken);
  const wrong: [Partial<AdaptOptions>, RegExp][] = [
    [{ target: " A" }, /source and target are the same text/],
    [{ target: "a b c d e f g h i" }, /Cannot tokenize .* 11 tokens .* at most 9/],
    [{ z }, /it has 4 steps; pass --steps 4/],
    [{ z, batch: 3 }, /"z" has shape \[4,2,6\], \[steps, 3, 6\] is needed/],
    [{ z: options.generator }, /it holds no tensor "z"/],
    [{ trainGenerator: other }, /they differ in architecture \(8x8, z 6, channels 7 3/],
    [{ generator: nan }, /"conv1.conv.weight" holds NaN at index 5/],
    [{ generator: options.clip }, /it is a CLIP model/],
    [{ clip: options.generator }, /it is a StyleGAN2 generator/],
    [{ batch: 2 ** 22 }, /use a smaller batch/],
  ];
  const before = { ...gpu.allocated };
  for (const [change, message] of wrong) {
    await assert.rejects(adapt(gpu, out, { ...options, ...change }, {}, NEVER), message);
    await assert.rejects(Deno.lstat(out), Deno.errors.NotFound);
    assert.deepEqual(gpu.allocated, before, `device memory was left allocated: ${message}`);
  }
  Deno.mkdirSync(out);
  await assert.rejects(adapt(gpu, out, options, {}, NEVER), /it exists; name a new folder/);
});
