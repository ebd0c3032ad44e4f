/** The method with a StyleGAN3 generator. */
import assert from "node:assert/strict";
import { openCheckpoint } from "../../../lib/checkpoint/mod.ts";
import { layerParameters } from "../../../models/stylegan3/architecture.ts";
import { readGenerator } from "../../../models/stylegan3/weights.ts";
import { type AdaptOptions, readInputs } from "../../../models/nada/adapt.ts";
import { pickSnapshot } from "../../../models/nada/snapshots.ts";
import { prepare } from "../../../models/nada/prepare.ts";
import { StepStream } from "../../../models/nada/step_inputs.ts";
import type { LogEntry } from "../../../models/nada/run_folder.ts";
import { testGpu } from "../../gpu.ts";
import { temporaryFolder } from "../../temporary.ts";
import { madeUpDimensions, madeUpTensors } from "../stylegan3/made_up.ts";
import { adaptTo, readLog, resumeAt, tensorsIn, tinyRun } from "./tiny_run.ts";

const DEFAULT_LAYERS = ["input", "L0_28_7", "L1_28_5", "L2_36_4", "L3_16_4", "L4_16_3"];

/** Options of a run with a made-up generator, whose files are written to `folder`. */
async function files(folder: { file(name: string): string }): Promise<AdaptOptions> {
  const options = await tinyRun(folder, madeUpTensors(madeUpDimensions("R"), 3));
  return { ...options, steps: 4, sampleCount: 2 };
}

Deno.test("adapt() trains StyleGAN3's weights and biases, its styles, filters and mapping stay", async () => {
  using folder = temporaryFolder();
  const options = { ...await files(folder), snapshots: 2 };
  const gpu = await testGpu();
  const before = { ...gpu.allocated };
  const out = folder.file("run");
  const { status } = await adaptTo(out, options);
  assert.equal(status, "finished");
  assert.deepEqual(gpu.allocated, before, "device memory was left allocated");
  for (const { loss, layers } of readLog(`${out}/log.jsonl`)) {
    assert.ok(loss! > 0 && loss! < 2);
    assert.deepEqual(layers, DEFAULT_LAYERS);
  }
  using base = await openCheckpoint(options.generator);
  const { architecture } = await readGenerator(base);
  const trained = DEFAULT_LAYERS.flatMap((layer) => layerParameters(architecture).get(layer)!);
  const delta = await tensorsIn(`${out}/adapted.safetensors`);
  assert.deepEqual([...delta.keys()].sort(), trained.sort());

  await pickSnapshot(out, 2);
  const picked = await tensorsIn(`${out}/adapted.safetensors`);
  assert.deepEqual([...picked.keys()].sort(), trained.sort());
  assert.notDeepEqual(picked, delta);
});

Deno.test("resume() of a StyleGAN3 run goes on bit for bit, with layers chosen for each step", async () => {
  using folder = temporaryFolder();
  const options = {
    ...await files(folder),
    autoLayers: { count: 3, iterations: 1, batch: 2, every: 1 },
  };
  const [whole, part] = [folder.file("whole"), folder.file("part")];
  await adaptTo(whole, options);
  await adaptTo(part, { ...options, steps: 2 });
  await resumeAt(part, 4);
  const [one, other] = [whole, part].map((path) => readLog(`${path}/log.jsonl`));
  const results = (log: LogEntry[]) => log.map(({ loss, layers }) => ({ loss, layers }));
  assert.deepEqual(results(other!), results(one!));
  assert.ok(one!.every(({ layers }) => layers.length === 3));
  assert.deepEqual(
    await tensorsIn(`${part}/adapted.safetensors`),
    await tensorsIn(`${whole}/adapted.safetensors`),
  );
});

Deno.test("Training disturbs StyleGAN3's frozen image a little, anew for each key", async () => {
  using folder = temporaryFolder();
  const options = await files(folder);
  /** The loss of a first step, in which both generators are still the same. */
  const firstLoss = async (noise: AdaptOptions["noise"], seed: number) => {
    const inputs = await readInputs({ ...options, noise });
    using models = await prepare(await testGpu(), inputs);
    const given = { ...options, autoLayers: null, given: null };
    const { step } = new StepStream(inputs.frozen.architecture, given, 0).next();
    const noiseKeys = { frozen: Uint32Array.of(seed, 0), trained: Uint32Array.of(1, 1) };
    return (await models.training.run({ ...step, noiseKeys })).total;
  };
  const noisy = await firstLoss("random", 7);
  assert.equal(await firstLoss("random", 7), noisy);
  assert.notEqual(await firstLoss("random", 8), noisy);
  // Without noise the images are equal, which have no direction.
  assert.equal(await firstLoss("none", 7), 1);
});

Deno.test("readInputs() refuses phases of StyleGAN2 and layers that StyleGAN3 lacks", async () => {
  using folder = temporaryFolder();
  const options = await files(folder);
  await assert.rejects(
    readInputs({ ...options, phase: "texture" }),
    /Cannot train the phase "texture": it is a choice of StyleGAN2's layers/,
  );
  await assert.rejects(
    readInputs({ ...options, trainLayers: ["convs"] }),
    /no such layer; its layers are input, affine, L0_28_7/,
  );
  const { plan } = await readInputs({ ...options, trainLayers: ["L2", "mapping"] });
  assert.deepEqual(plan.layers, ["L2_36_4", "mapping"]);
  const all = await readInputs({ ...options, phase: "all" });
  assert.equal(all.plan.layers.length, 8);
});
