import assert from "node:assert/strict";
import { GpuError } from "../../../lib/errors.ts";
import { Gpu } from "../../../lib/gpu/device.ts";
import type { Precision } from "../../../lib/graph/precision.ts";
import { type AdaptOptions, readInputs } from "../../../models/nada/adapt.ts";
import { FIRST_LOSS_SCALE, lowerLossScale } from "../../../models/nada/loss_scale.ts";
import {
  agreedTraining,
  likelyPrecision,
  LOSS_TOLERANCE,
} from "../../../models/nada/precision_choice.ts";
import { prepare } from "../../../models/nada/prepare.ts";
import { StepStream } from "../../../models/nada/step_inputs.ts";
import type { TrainingState } from "../../../models/nada/training.ts";
import { testGpu } from "../../gpu.ts";
import { temporaryFolder } from "../../temporary.ts";
import { madeUpTensors } from "../stylegan2/made_up.ts";
import { tinyRun } from "./tiny_run.ts";

const ignore = (await testGpu()).limits.halves !== true;

/** Maps that are large enough to be stored in half precision. */
const SIZE = { zSize: 6, wSize: 5, mappingDepth: 2, channels: [4, 4, 4, 4, 16] };

async function start(options: AdaptOptions, precision: Precision) {
  const inputs = await readInputs({ ...options, precision });
  const stream = new StepStream(
    inputs.frozen.architecture,
    { ...options, autoLayers: null, given: null },
    0,
  );
  return { models: await prepare(await testGpu(), inputs), stream };
}

Deno.test({
  name:
    "Training in f16 has the losses of f32, and leaves out steps whose cotangents are too large",
  ignore,
  async fn() {
    using folder = temporaryFolder();
    const options = { ...await tinyRun(folder, madeUpTensors(SIZE, 1)), batch: 6 };
    const wanted: number[] = [];
    {
      const { models, stream } = await start(options, "f32");
      using _ = models;
      for (let step = 0; step < 3; step++) {
        wanted.push((await models.training.run(stream.next().step)).total);
      }
    }
    const { models, stream } = await start(options, "f16");
    using _ = models;
    const { training } = models;
    assert.equal(training.lossScale, FIRST_LOSS_SCALE);
    const fresh = await training.read();

    // No cotangent fits in f16 with this scale: nothing moves, but for what lies above all maps.
    training.restore({ ...fresh, lossScale: 2 ** 60 });
    const inputs = stream.next().step;
    const { total, overflowed } = await training.run(inputs);
    assert(Number.isFinite(total));
    assert(overflowed.includes("conv1") && overflowed.includes("input"), overflowed.join());
    assert.equal(training.lossScale, 2 ** 59);
    const after = await training.read();
    assert.equal(after.step, 1);
    assert.equal(after.times.get("conv1")!.count, 0);
    for (const name of ["input.input", "conv1.conv.weight", "conv1.activate.bias"]) {
      assert.deepEqual(after.weights.get(name), fresh.weights.get(name), name);
      assert.deepEqual(after.moments.get(name), fresh.moments.get(name), name);
    }

    training.restore(fresh);
    for (const [step, loss] of wanted.entries()) {
      const found = await training.run(step === 0 ? inputs : stream.next().step);
      assert.deepEqual(found.overflowed, []);
      const error = Math.abs(found.total - loss) / Math.abs(loss);
      assert(error <= LOSS_TOLERANCE && (step === 0 || error > 0), `${found.total}, not ${loss}`);
    }
  },
});

Deno.test({
  name: "Training in f16 begins a step anew where the loss scale was lowered meanwhile",
  ignore,
  async fn() {
    using folder = temporaryFolder();
    const options = { ...await tinyRun(folder, madeUpTensors(SIZE, 1)), batch: 6 };
    const { models, stream } = await start(options, "f16");
    using _ = models;
    const { training } = models;
    const fresh = await training.read();
    const steps = Array.from({ length: 4 }, () => stream.next().step);
    const follow = async (lossScale: number, ahead: boolean) => {
      training.restore({ ...fresh, lossScale });
      const losses = [];
      for (const [i, step] of steps.entries()) {
        losses.push(await training.run(step, training.layers, ahead ? steps[i + 1] : null));
      }
      return { losses, state: await training.read() };
    };
    // The least scale at which something overflows: in the first step alone, or about so.
    let scale = FIRST_LOSS_SCALE;
    let alone = await follow(scale, false);
    while (alone.losses.every(({ overflowed }) => overflowed.length === 0)) {
      alone = await follow(scale *= 2, false);
    }
    assert(alone.losses.at(-1)!.overflowed.length === 0);
    assert.deepEqual(await follow(scale, true), alone);
  },
});

Deno.test("lowerLossScale() halves until nothing would help, and then names what is too large", () => {
  let scale = FIRST_LOSS_SCALE;
  const lower = () => scale = lowerLossScale(scale, "the gradients of conv1");
  lower();
  assert.equal(scale, FIRST_LOSS_SCALE / 2);
  assert.throws(
    () => {
      for (let i = 0; i < 100; i++) lower();
    },
    (error) =>
      error instanceof GpuError && /gradients of conv1 .*; use --precision f32/.test(error.message),
  );
  assert(scale < 1);
});

Deno.test("likelyPrecision() takes f16 by itself on GPUs that have it, and elsewhere when asked", () => {
  const limits = { bindingBytes: 1, bufferBytes: 1, storageBuffers: 1 };
  const target = (kind: "cpu" | "gpu", halves: boolean) => ({
    kind,
    limits: { ...limits, halves },
  });
  assert.equal(likelyPrecision("auto", target("gpu", true)), "f16");
  assert.equal(likelyPrecision("auto", target("gpu", false)), "f32");
  assert.equal(likelyPrecision("auto", target("cpu", true)), "f32");
  assert.equal(likelyPrecision("f32", target("gpu", true)), "f32");
  assert.equal(likelyPrecision("f16", target("gpu", false)), "f16");
});

Deno.test("prepare() refuses f16 on an adapter without it before anything is trained", async () => {
  using folder = temporaryFolder();
  const options = await tinyRun(folder, madeUpTensors({ ...SIZE, channels: [4, 4] }, 1));
  const gpu = await Gpu.open(undefined, { halves: false });
  try {
    await assert.rejects(
      prepare(gpu, await readInputs({ ...options, precision: "f16" })),
      (error) => error instanceof GpuError && /shader-f16; use --precision f32/.test(error.message),
    );
  } finally {
    gpu.close();
  }
});

const START: TrainingState = {
  step: 0,
  weights: new Map(),
  moments: new Map(),
  times: new Map(),
  lossScale: FIRST_LOSS_SCALE,
};

/** A training that gives these losses, and too large gradients with scales from `limit` on. */
class Scripted {
  #step = 0;
  lossScale = FIRST_LOSS_SCALE;
  isDisposed = false;

  constructor(private readonly losses: readonly number[], private readonly limit = Infinity) {}

  run() {
    const overflowed = this.lossScale >= this.limit ? ["conv1"] : [];
    if (overflowed.length > 0) this.lossScale /= 2;
    return Promise.resolve({ total: this.losses[this.#step++]!, parts: {}, overflowed });
  }
  read = () => Promise.resolve(START);
  restore({ step, lossScale }: TrainingState) {
    this.#step = step;
    this.lossScale = lossScale;
  }
  dispose() {
    this.isDisposed = true;
  }
}

async function agreed(losses: Record<Precision, readonly number[]>, limit = Infinity) {
  const made: { precision: Precision; training: Scripted }[] = [];
  const result = await agreedTraining((precision) => {
    const alone = made.every(({ training }) => training.isDisposed);
    assert(alone, "two trainings at a time take the memory of both");
    const training = new Scripted(losses[precision], precision === "f16" ? limit : Infinity);
    made.push({ precision, training });
    return Promise.resolve(training);
  }, () => Array(3));
  assert(!result.training.isDisposed);
  return { ...result, made: made.map(({ precision }) => precision) };
}

Deno.test("agreedTraining() takes f16 where the first losses agree, at its start", async () => {
  const f32 = [0.8, 0.6, 0.7];
  const near = f32.map((loss) => loss * (1 + 0.9 * LOSS_TOLERANCE));
  const { precision, notes, training, made } = await agreed({ f32, f16: near });
  assert.deepEqual([precision, notes, made], ["f16", [], ["f32", "f16"]]);
  assert.equal((await training.run()).total, near[0]);
});

Deno.test("agreedTraining() lowers the loss scale until no gradient is too large", async () => {
  const f32 = [0.8, 0.6, 0.7];
  const { precision, training } = await agreed({ f32, f16: f32 }, 2 ** 12);
  assert.deepEqual([precision, training.lossScale], ["f16", 2 ** 11]);
});

Deno.test("agreedTraining() takes f32 where gradients are too large at any loss scale", async () => {
  const f32 = [0.8, 0.6, 0.7];
  const { precision, notes, made } = await agreed({ f32, f16: f32 }, 0);
  assert.deepEqual([precision, made], ["f32", ["f32", "f16", "f32"]]);
  assert.match(notes.join(), /^Training in f32: in f16 gradients are too large; /);
});

Deno.test("agreedTraining() leaves nothing behind where a step fails", async () => {
  const broken = new Scripted([]);
  broken.run = () => Promise.reject(new GpuError("lost"));
  await assert.rejects(agreedTraining(() => Promise.resolve(broken), () => Array(3)), /lost/);
  assert(broken.isDisposed);
});

Deno.test("agreedTraining() takes f32 where they do not agree or are no numbers, and says so", async () => {
  const f32 = [0.8, 0.6, 0.7];
  for (const wrong of [0.7 * (1 + 1.1 * LOSS_TOLERANCE), NaN, Infinity]) {
    const { precision, notes, made } = await agreed({ f32, f16: [0.8, 0.6, wrong] });
    assert.deepEqual([precision, made], ["f32", ["f32", "f16", "f32"]]);
    assert.match(notes.join(), /^Training in f32: in f16 the loss of step 2 is .* and not 0\.7; /);
  }
});
