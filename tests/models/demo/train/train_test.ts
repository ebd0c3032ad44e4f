import assert from "node:assert/strict";
import { openCheckpoint, writeSafetensors } from "../../../../lib/checkpoint/mod.ts";
import { Clip } from "../../../../models/clip/clip.ts";
import { clipPart } from "../../../../models/demo/train/clip.ts";
import { generatorPart } from "../../../../models/demo/train/generator.ts";
import { train } from "../../../../models/demo/train/mod.ts";
import { Optimiser } from "../../../../models/demo/train/optimiser.ts";
import { type Part, run, stepCount } from "../../../../models/demo/train/run.ts";
import { readState, writeState } from "../../../../models/demo/train/state_file.ts";
import { readGenerator } from "../../../../models/stylegan2/weights.ts";
import { testGpu } from "../../../gpu.ts";
import { temporaryFolder } from "../../../temporary.ts";
import { TINY_CLIP, TINY_GENERATOR } from "./tiny.ts";

const average = (values: number[]) => values.reduce((sum, x) => sum + x, 0) / values.length;

Deno.test("run() lowers the generator's loss on new scenes, and gives a generator", async () => {
  const part = generatorPart({ steps: 65, batch: 4, seed: 1 }, TINY_GENERATOR);
  const losses = new Map<string, number[]>();
  const state = await run(await testGpu(), part, part.start(), {
    onStep: ({ stage, loss }) => losses.set(stage, [...losses.get(stage) ?? [], loss]),
  });
  assert.deepEqual([...losses.keys()], ["mapping", "8x8", "16x16"]);
  const mapping = losses.get("mapping")!;
  assert.ok(mapping.at(-1)! < 0.95 * mapping[0]!, `mapping: ${mapping[0]} to ${mapping.at(-1)}`);
  const main = [...losses.get("8x8")!, ...losses.get("16x16")!];
  const [before, after] = [average(main.slice(0, 4)), average(main.slice(-4))];
  console.log(`generator's loss: ${before.toFixed(3)} to ${after.toFixed(3)}`);
  assert.ok(after < 0.7 * before, `${before} to ${after}`);

  using folder = temporaryFolder();
  const { tensors, metadata } = await part.export(await testGpu(), state);
  await writeSafetensors(folder.file("g.safetensors"), tensors, metadata);
  using checkpoint = await openCheckpoint(folder.file("g.safetensors"));
  const { architecture, latentAvg } = await readGenerator(checkpoint);
  assert.deepEqual(architecture.channels, TINY_GENERATOR.channels);
  assert.ok((await latentAvg!.read()).some((value) => value !== 0));
});

Deno.test("Optimiser lowers the CLIP's losses on one batch, those of captions and those of pairs", async () => {
  const part = clipPart({ steps: 40, batch: 2, seed: 1 }, TINY_CLIP);
  const start = part.start();
  for (const [stage, allowed] of [[part.stages[0]!, 0.3], [part.stages[1]!, 0.7]] as const) {
    const { problem, inputs } = await stage.open(await testGpu());
    using optimiser = await Optimiser.create(await testGpu(), problem, start);
    const losses: number[] = [];
    for (let step = 0; step < 20; step++) {
      losses.push(await optimiser.run(inputs(0), { step, lr: 1e-3 }));
    }
    console.log(`${stage.name}: ${losses[0]!.toFixed(3)} to ${losses.at(-1)!.toFixed(3)}`);
    assert.ok(losses.at(-1)! < allowed * losses[0]!, `${stage.name}: ${losses}`);
  }
});

const PARTS: [string, () => Part][] = [
  ["generator", () => generatorPart({ steps: 13, batch: 2, seed: 3 }, TINY_GENERATOR)],
  ["clip", () => clipPart({ steps: 6, batch: 1, seed: 3 }, TINY_CLIP)],
];

for (const [name, create] of PARTS) {
  Deno.test(`run() of the ${name} after a stop goes on bit for bit as if there had been none`, async () => {
    const gpu = await testGpu();
    const settings = { steps: 13, batch: 2, seed: 3 };
    using folder = temporaryFolder();
    const file = folder.file("state.safetensors");
    const part = create();
    const whole = await run(gpu, part, part.start());

    let state = part.start();
    // Within stages and where they end, each time through the file and with everything made anew.
    const end = stepCount(part);
    for (const stopAt of [part.stages[0]!.end, part.stages[0]!.end + 1, end - 2, end]) {
      const stop = new AbortController();
      await run(gpu, create(), state, {
        signal: stop.signal,
        onStep: ({ step }) => step >= stopAt && stop.abort(),
        save: (current) => writeState(file, name, settings, current),
      });
      state = (await readState(file, name)).state;
      assert.equal(state.step, stopAt);
    }
    assert.equal(state.step, whole.step);
    assert.deepEqual([...state.tensors.keys()].sort(), [...whole.tensors.keys()].sort());
    for (const [tensor, { data }] of whole.tensors) {
      assert.deepEqual(state.tensors.get(tensor)!.data, data, tensor);
    }
  });
}

Deno.test("clipPart() exports a CLIP that reads the world's texts and no others", async () => {
  const gpu = await testGpu();
  const part = clipPart({ steps: 6, batch: 1, seed: 1 }, TINY_CLIP);
  const weights = part.start().tensors.entries().map(([name, values]) =>
    [name.replace("weight/", "mean/"), values] as const
  );
  const { tensors, metadata } = await part.export(gpu, { step: 6, tensors: new Map(weights) });
  using folder = temporaryFolder();
  await writeSafetensors(folder.file("clip.safetensors"), tensors, metadata);
  const clip = await Clip.open(gpu, folder.file("clip.safetensors"));
  assert.equal(clip.architecture.features, TINY_CLIP.features);
  assert.ok(clip.templates.includes("a {} of a face"));
  const [sketch, neon] = await clip.encodeTexts(["a pencil sketch", "glowing neon lines"]);
  assert.ok([...sketch!, ...neon!].every(Number.isFinite));
  assert.notDeepEqual(sketch, neon);
  await assert.rejects(clip.encodeTexts(["zebra"]), /knows none of its words/);
  clip.dispose();
});

Deno.test("train() refuses a folder with a state, and to go on where there is none", async () => {
  const gpu = await testGpu();
  using folder = temporaryFolder();
  const request = { part: "clip", folder: folder.path, settings: {}, resume: false } as const;
  await assert.rejects(train(gpu, { ...request, resume: true }), /^CheckpointError: Cannot/);
  const file = folder.file("clip.state.safetensors");
  await writeState(file, "generator", { steps: 1, batch: 1, seed: 1 }, {
    step: 0,
    tensors: new Map(),
  });
  await assert.rejects(train(gpu, request), /Cannot train into .* go on with --resume/);
  await assert.rejects(train(gpu, { ...request, resume: true }), /not the state of a training/);
});
