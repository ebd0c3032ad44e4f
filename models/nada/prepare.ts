/** The models of a run, on the device, and its step, compiled. */
import type { Gpu } from "../../lib/gpu/device.ts";
import type { Precision } from "../../lib/graph/precision.ts";
import { Clip, type ImageBatch } from "../clip/mod.ts";
import { fittingBatch } from "../generator/batch.ts";
import { type DeviceGenerator, disposeGenerator, uploadGenerator } from "../generator/device.ts";
import type { GeneratorWeights } from "../generator/families.ts";
import { Sampler } from "../generator/sampler.ts";
import { isResNet } from "./clip_files.ts";
import { fittingRun } from "./cost.ts";
import { type Observer, observerNames } from "./eval/mod.ts";
import type { RunInputs } from "./inputs.ts";
import { LayerSelection } from "./layer_selection.ts";
import type { Judge } from "./losses/mod.ts";
import type { AdaptOptions } from "./options.ts";
import { LatentStream } from "./random_latents.ts";
import type { AdaptEvents } from "./run.ts";
import { runTargets, selectionTarget, type Wanted } from "./run_targets.ts";
import { changedTensors, storedTensors } from "./stored_tensors.ts";
import { agreedTraining, COMPARED_STEPS, likelyPrecision } from "./precision_choice.ts";
import { StepStream } from "./step_inputs.ts";
import { type StepInputs, Training } from "./training.ts";

export interface Prepared extends Disposable {
  readonly frozen: DeviceGenerator;
  /** The generator that moves. */
  readonly trained: DeviceGenerator;
  readonly training: Training;
  /** null where the same layers are trained in every step. */
  readonly selection: LayerSelection | null;
  /** The CLIP models that judge, and the direction in their space. */
  readonly observers: readonly Observer[];
  /** How it trains. */
  readonly precision: Precision;
  /** What the user should know of how the run was made to fit, and of its precision, a line each. */
  readonly notes: readonly string[];
}

/**
 * Loads the models and compiles the step; nothing is written. Once `signal` is aborted it throws the
 * signal's reason, with nothing left on the device.
 */
export async function prepare(
  gpu: Gpu,
  inputs: RunInputs,
  signal: AbortSignal = new AbortController().signal,
  { makeRoom, onTuning, takeTurn }: Pick<AdaptEvents, "makeRoom" | "onTuning" | "takeTurn"> = {},
): Promise<Prepared> {
  const { options, notes } = gpu.availableBytes === null
    ? { options: inputs.options, notes: [] }
    : await fittingRun(inputs.options, gpu, async (bytes) => {
      if (gpu.availableBytes! < bytes) await makeRoom?.(bytes);
      return gpu.availableBytes!;
    });
  using owned = new DisposableStack();
  const { plan, pictures, templates, partTemplates } = inputs;
  const { lambdas, clipResize: resize, noise } = options;
  const open = async (path: string) => {
    signal.throwIfAborted();
    return owned.adopt(await Clip.open(gpu, path), (clip) => clip.dispose());
  };

  const used = options.clips.filter(({ weight }) => weight !== 0);
  const clips: Clip[] = [];
  for (const { path } of used) clips.push(await open(path));
  const textureClip = lambdas.texture === 0
    ? null
    : options.textureClip !== null
    ? await open(options.textureClip)
    : clips.find(({ architecture }) => isResNet(architecture))!;

  const upload = async (weights: GeneratorWeights) => {
    signal.throwIfAborted();
    return owned.adopt(await uploadGenerator(gpu, weights), disposeGenerator);
  };
  const frozen = await upload(inputs.frozen);
  const trained = await upload(inputs.trained);

  const { source, targets, textWeight } = options;
  const wanted: Wanted = {
    texts: { source, targets, templates, partTemplates },
    images: pictures.length === 0
      ? null
      : { pictures, generated: await drawImages(gpu, trained, options), textWeight },
    resize,
  };
  const judges: Judge[] = [];
  for (const [i, clip] of clips.entries()) {
    signal.throwIfAborted();
    // The run is judged by the direction, whether it is trained by it or not.
    const asked = { ...lambdas, direction: lambdas.direction || 1 };
    const targets = await runTargets(clip, wanted, asked);
    judges.push({ clip, weight: used[i]!.weight, targets });
  }
  const differing = await differences(inputs.frozen, inputs.trained);
  const loss = { weights: lambdas, judges, distance: options.directionLoss, resize, textureClip };
  const create = (precision: Precision) =>
    Training.create(
      gpu,
      { frozen, trained, differing, loss },
      { ...options, layers: plan.layers, layersVary: plan.auto !== null, precision },
      { signal, onTuning, takeTurn },
    );
  const likely = likelyPrecision(options.precision, gpu);
  const { training, precision, notes: choice } = likely === options.precision || likely === "f32"
    ? { training: await create(likely), precision: likely, notes: [] }
    : await agreedTraining(create, () => firstSteps(inputs));
  owned.adopt(training, (made) => made.dispose());

  let selection: LayerSelection | null = null;
  if (plan.auto) {
    const asked = await Promise.all(judges.map(async ({ clip, weight }) => ({
      clip,
      weight,
      target: await selectionTarget(clip, wanted),
    })));
    selection = owned.adopt(
      await LayerSelection.create(gpu, { frozen, trained, judges: asked }, {
        ...plan.auto,
        noise,
        clipResize: resize,
        precision,
      }, signal),
      (made) => made.dispose(),
    );
  }
  const names = observerNames(used.map(({ path }) => path));
  const observers = judges.map(({ clip, targets }, i) => ({
    name: names[i]!,
    clip,
    direction: targets.direction!,
  }));
  signal.throwIfAborted();
  const kept = owned.move();
  return {
    frozen,
    trained,
    training,
    selection,
    observers,
    precision,
    notes: [...notes, ...choice],
    [Symbol.dispose]: () => kept.dispose(),
  };
}

/** What the first steps of the run take. */
function firstSteps({ options, plan, latents, frozen: { architecture } }: RunInputs): StepInputs[] {
  const stream = new StepStream(architecture, {
    ...options,
    autoLayers: plan.auto,
    given: latents,
  }, 0);
  const count = Math.min(COMPARED_STEPS, options.steps);
  return Array.from({ length: count }, () => stream.next().step);
}

/** Keeps these latents apart from those of the same seed in training; any number would do. */
const IMAGE_STREAM = 0x1b873593;

/** What the generator draws at the start. */
async function drawImages(
  gpu: Gpu,
  generator: DeviceGenerator,
  { imageBatch, seed, noise }: AdaptOptions,
): Promise<ImageBatch> {
  const { resolution, zSize } = generator.architecture;
  const fitting = fittingBatch(generator.architecture, gpu.limits.bindingBytes);
  const batch = Math.min(imageBatch, fitting);
  const sampler = await Sampler.create(gpu, generator, { batch, noise });
  try {
    const noiseSeed = (seed ^ IMAGE_STREAM) >>> 0;
    const z = new LatentStream(noiseSeed, imageBatch * zSize).next();
    const { images } = await sampler.sample({ z }, { noiseSeed });
    return { shape: [imageBatch, 3, resolution, resolution], data: images };
  } finally {
    sampler.dispose();
  }
}

/** Names of the tensors that differ. */
async function differences(
  frozen: GeneratorWeights,
  trained: GeneratorWeights,
): Promise<Set<string>> {
  return new Set((await changedTensors(storedTensors(frozen), storedTensors(trained))).keys());
}
