import assert from "node:assert/strict";
import { openCheckpoint, writeSafetensors } from "../../../../lib/checkpoint/mod.ts";
import { Clip } from "../../../../models/clip/clip.ts";
import { clipPart } from "../../../../models/demo/train/clip.ts";
import { clipArchitecture } from "../../../../models/demo/train/clip_weights.ts";
import { StepRandom } from "../../../../models/demo/train/random.ts";
import { drawLayers, drawPlanes } from "../../../../models/demo/train/scenes.ts";
import { cutVocabulary } from "../../../../models/demo/train/texts.ts";
import { seenByTower } from "../../../../models/demo/train/tower.ts";
import { generatorPart, trainedGenerator } from "../../../../models/demo/train/generator.ts";
import { train } from "../../../../models/demo/train/mod.ts";
import { Optimiser } from "../../../../models/demo/train/optimiser.ts";
import { type Part, run, stepCount } from "../../../../models/demo/train/run.ts";
import { readState, type Settings, writeState } from "../../../../models/demo/train/state_file.ts";
import { keptName, type TrainState } from "../../../../models/demo/train/values.ts";
import { dot } from "../../../../models/demo/train/vectors.ts";
import { readGenerator } from "../../../../models/stylegan2/weights.ts";
import { testGpu } from "../../../gpu.ts";
import { temporaryFolder } from "../../../temporary.ts";
import { TINY_CLIP, TINY_GENERATOR, tinyStyles } from "./tiny.ts";

const average = (values: number[]) => values.reduce((sum, x) => sum + x, 0) / values.length;

Deno.test("run() lowers the generator's loss on new scenes, and gives a generator", async () => {
  const settings = { steps: 93, batch: 4, seed: 1 };
  const part = generatorPart(settings, TINY_GENERATOR);
  const losses = new Map<string, number[]>();
  const state = await run(await testGpu(), part, part.start(), {
    onStep: ({ stage, loss }) => losses.set(stage, [...losses.get(stage) ?? [], loss]),
  });
  assert.deepEqual([...losses.keys()], ["mapping", "8x8", "16x16", "styles"]);
  const mapping = losses.get("mapping")!;
  assert.ok(mapping.at(-1)! < 0.95 * mapping[0]!, `mapping: ${mapping[0]} to ${mapping.at(-1)}`);
  const main = [...losses.get("8x8")!, ...losses.get("16x16")!];
  const [before, after] = [average(main.slice(0, 4)), average(main.slice(-4))];
  console.log(`generator's loss: ${before.toFixed(3)} to ${after.toFixed(3)}`);
  assert.ok(after < 0.7 * before, `${before} to ${after}`);
  const styles = losses.get("styles")!;
  const [first, last] = [average(styles.slice(0, 8)), average(styles.slice(-8))];
  console.log(`with styles: ${first.toFixed(3)} to ${last.toFixed(3)}`);
  assert.ok(last < 0.9 * first, `${first} to ${last}`);
  const shifts = [...trainedGenerator(settings, state, TINY_GENERATOR)!.shifts.values()];
  assert.ok(shifts.every(({ data }) => data.every((value) => value !== 0)));

  using folder = temporaryFolder();
  const { tensors, metadata } = await part.export(await testGpu(), state);
  await writeSafetensors(folder.file("g.safetensors"), tensors, metadata);
  using checkpoint = await openCheckpoint(folder.file("g.safetensors"));
  const { architecture, latentAvg } = await readGenerator(checkpoint);
  assert.deepEqual(architecture.channels, TINY_GENERATOR.channels);
  assert.ok((await latentAvg!.read()).some((value) => value !== 0));
  const noise = await checkpoint.tensors.get("noises.noise_1")!.read();
  assert.deepEqual(noise, state.tensors.get("mean/noises.noise_1")!.data);
  assert.ok(![...checkpoint.tensors.keys()].some((name) => name.includes("shift")));
});

const tinyClip = (settings: Settings) =>
  clipPart(settings, () => Promise.resolve(tinyStyles()), TINY_CLIP);

function withLargeTokens({ step, tensors }: TrainState): TrainState {
  const name = keptName("mean", "visual.ln_pre.weight");
  const { shape, data } = tensors.get(name)!;
  const large = { shape, data: data.map((value) => 200 * value) };
  return { step, tensors: new Map([...tensors, [name, large]]) };
}

Deno.test("Optimiser lowers the CLIP's loss on one batch in every stage", async () => {
  const gpu = await testGpu();
  const part = tinyClip({ steps: 40, batch: 3, seed: 1 });
  let state = part.start();
  let first = 0;
  const steps = { alignment: 20, attributes: 60, texts: 20 };
  const rates = { alignment: 0.5, attributes: 8, texts: 1 };
  const allowed = { alignment: 0.9, attributes: 0.85, texts: 0.3 };
  for (const { name, end, open, finish } of part.stages) {
    const { problem, inputs } = await open(gpu, state);
    using optimiser = await Optimiser.create(gpu, problem, state);
    const losses: number[] = [];
    const stage = name as keyof typeof rates;
    for (let step = 0; step < steps[stage]; step++) {
      losses.push(await optimiser.run(inputs(end - 1), { step: first + step, lr: rates[stage] }));
    }
    console.log(`${name}: ${losses[0]!.toFixed(3)} to ${losses.at(-1)!.toFixed(3)}`);
    const wanted = allowed[stage] * losses[0]!;
    assert.ok(losses.at(-1)! < wanted, `${name}: ${losses}`);
    state = await optimiser.read(end, state);
    // As after thousands of steps: what the last block adds is scaled for large tokens.
    if (name === "alignment") state = withLargeTokens(state);
    if (finish) state = await finish(gpu, state);
    first = end;
  }
});

const PARTS: [string, () => Part][] = [
  ["generator", () => generatorPart({ steps: 31, batch: 2, seed: 3 }, TINY_GENERATOR)],
  ["clip", () => tinyClip({ steps: 6, batch: 3, seed: 3 })],
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
  const part = tinyClip({ steps: 6, batch: 3, seed: 1 });
  const state = await run(gpu, part, part.start());
  const { tensors, metadata } = await part.export(gpu, state);

  // The last block adds nothing that the styles' scores read.
  const blind = state.tensors.get("known/blind")!.data;
  const block = "visual.transformer.resblocks.1";
  for (const name of [`${block}.attn.out_proj.weight`, `${block}.mlp.c_proj.weight`]) {
    const { shape, data } = tensors.get(name)!;
    const column = data.filter((_, i) => i % shape[1]! === 0);
    const seen = column.map((_, i) => dot(blind.subarray(64 * i, 64 * (i + 1)), column));
    assert.ok(Math.hypot(...column) > 0);
    assert.ok(Math.hypot(...seen) < 1e-4 * Math.hypot(...column), name);
  }

  // Its last feature is the same for all pictures.
  const a = clipArchitecture(TINY_CLIP, cutVocabulary());
  const pictures = (["photo", "neon", "night"] as const).map((style) =>
    drawPlanes(drawLayers(new StepRandom(9, 9).normals(64)), style, TINY_CLIP.side)
  );
  const seen = await seenByTower(gpu, a, tensors, pictures, ({ features }) => features);
  for (const feature of seen) assert.ok(Math.abs(feature[a.features - 1]! - 1) < 1e-3);
  assert.notDeepEqual(seen[0], seen[1]);

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
  await assert.rejects(train(gpu, request), /^UserError: Cannot train the clip .* is not there/);
  const file = folder.file("clip.state.safetensors");
  const untrained = { step: 0, tensors: new Map() };
  for (const at of [file, folder.file("generator.state.safetensors")]) {
    await writeState(at, "generator", { steps: 1, batch: 1, seed: 1 }, untrained);
  }
  await assert.rejects(train(gpu, request), /Cannot train into .* go on with --resume/);
  await assert.rejects(train(gpu, { ...request, resume: true }), /not the state of a training/);
});
