/** What a run will cost, from the shapes in its files alone: no weight is read, no device opened. */
import { openCheckpoint } from "../../lib/checkpoint/mod.ts";
import { DoesNotFitError } from "../../lib/errors.ts";
import type { AdapterKind, Limits } from "../../lib/gpu/device.ts";
import { planProgram, type ProgramPlan, type ProgramSpec } from "../../lib/graph/plan.ts";
import type { Precision } from "../../lib/graph/precision.ts";
import { input, numel, type Shape } from "../../lib/graph/tensor.ts";
import { type ClipFile, findWeights, imageTower, openClipFile } from "../clip/mod.ts";
import { batchBesideStep } from "../generator/batch.ts";
import { type Architecture, generatorOf, outlineGenerator } from "../generator/families.ts";
import { leavesOf } from "../generator/generator.ts";
import { isResNet } from "./clip_files.ts";
import { layerPlan } from "./inputs.ts";
import { selectionStep } from "./layer_selection.ts";
import { type LossTargets, PART_TEMPLATES } from "./losses/mod.ts";
import type { AdaptOptions } from "./options.ts";
import { likelyPrecision } from "./precision_choice.ts";
import { trainingStep } from "./training_step.ts";

/** What programs are planned for. */
export interface PlanTarget {
  readonly kind: AdapterKind;
  readonly limits: Limits;
}

export interface RunCost {
  readonly resolution: number;
  readonly batch: number;
  /** As far as can be said without a look at the losses. */
  readonly precision: Precision;
  /** Of one step that trains all layers; `bytes` are read and written, each element once a launch. */
  readonly step: {
    readonly dispatches: number;
    readonly operations: number;
    readonly bytes: number;
    /** The largest range that one binding takes. */
    readonly bindingBytes: number;
  };
  /** Device memory while training; `peak` is all of it. */
  readonly memory: {
    /** Both generators and the second moments of what is trained. */
    readonly generators: number;
    readonly clips: number;
    /** Everything that a step computes on the way. */
    readonly step: number;
    /** The same for the choice of layers; 0 where they are not chosen. */
    readonly choice: number;
    /** The same for drawing a grid of samples, which the step's memory outlives. */
    readonly grid: number;
    readonly peak: number;
  };
}

/**
 * Plans a run. Throws a UserError for files that are no good, and a GpuError where the adapter cannot
 * run it in any memory.
 */
export async function runCost(options: AdaptOptions, target: PlanTarget): Promise<RunCost> {
  const { architecture, files, texture, layerOf, precision, programs } = await outline(
    options,
    target,
  );
  const planned = (program: ProgramSpec) => planProgram(program, target.kind, target.limits);
  const plan = planned(programs.step);
  const choice = programs.choice && planned(programs.choice);
  const grid = planned(programs.grid);

  const { parameterShapes, fixedShapes } = generatorOf(architecture);
  const shapes = [...parameterShapes.values(), ...fixedShapes.values(), [architecture.wSize]];
  const moments = [...layerOf.keys()].map((name) => parameterShapes.get(name)!);
  const towers = [...new Set([...files, ...texture ? [texture] : []])].flatMap(({ weights }) =>
    [...weights.image.values()].map(({ shape }) => shape)
  );
  const generators = 2 * bytesOf(shapes) + bytesOf(moments);
  const memory = {
    generators,
    clips: bytesOf(towers),
    step: plan.scratchBytes,
    choice: choice?.scratchBytes ?? 0,
    grid: grid.scratchBytes,
  };
  const sum = (count: (launch: ProgramPlan["launches"][number]) => number) =>
    plan.launches.reduce((total, launch) => total + count(launch), 0);
  return {
    resolution: architecture.resolution,
    batch: options.batch,
    precision,
    step: {
      dispatches: plan.launches.length,
      operations: sum(({ operations }) => operations),
      bytes: sum(({ bytes }) => bytes),
      bindingBytes: plan.launches.reduce(
        (most, { bindings }) => Math.max(most, ...bindings.map(({ bytes }) => bytes)),
        0,
      ),
    },
    memory: { ...memory, peak: Object.values(memory).reduce((a, b) => a + b) },
  };
}

/** The programs in which a run spends its time. */
export async function runPrograms(
  options: AdaptOptions,
  target: PlanTarget,
): Promise<ProgramSpec[]> {
  const { step, choice, grid } = (await outline(options, target)).programs;
  return [step, ...choice ? [choice] : [], grid];
}

/** What the files of a run say without their weights, and its programs. */
async function outline(options: AdaptOptions, target: PlanTarget) {
  const a = await architectureOf(options.generator);
  using owned = new DisposableStack();
  const open = async (path: string) => owned.use(await openClipFile(path));
  const used = options.clips.filter(({ weight }) => weight !== 0);
  const files: ClipFile[] = [];
  for (const { path } of used) files.push(await open(path));
  const texture = options.lambdas.texture === 0
    ? null
    : options.textureClip !== null
    ? await open(options.textureClip)
    : files.find(({ architecture }) => isResNet(architecture)) ?? null;

  const generator = generatorOf(a);
  const { layers, auto } = layerPlan(a, options);
  const precision = likelyPrecision(options.precision, target);
  const step = trainingStep(
    a,
    // Another start may differ in anything.
    new Set(options.trainGenerator ? generator.parameterShapes.keys() : []),
    {
      weights: options.lambdas,
      judges: files.map((file, i) => ({
        clip: imageTower(file),
        weight: used[i]!.weight,
        targets: anyTargets(file),
      })),
      distance: options.directionLoss,
      resize: options.clipResize,
      textureClip: texture && imageTower(texture),
    },
    {
      ...options,
      layers,
      layersVary: auto !== null,
      precision,
    },
  );
  const choice = auto && selectionStep(
    a,
    files.map((file, i) => ({
      clip: imageTower(file),
      weight: used[i]!.weight,
      target: anyTargets(file).global!,
    })),
    { ...options, batch: auto.batch, precision },
  );
  return {
    architecture: a,
    files,
    texture,
    layerOf: step.layerOf,
    precision,
    programs: { step: step.program, choice, grid: gridProgram(a, target.limits) },
  };
}

/** A run's options, changed so that it fits. */
export interface FittingRun {
  readonly options: AdaptOptions;
  /** What the user should know of the change, a line each. */
  readonly notes: readonly string[];
}

/** Says how many bytes are free, having made room where these are not. */
export type MakeRoom = (bytes: number) => number | Promise<number>;

/**
 * The options, with activations computed again where that is what makes the run fit. Throws a
 * DoesNotFitError where nothing does, with a smaller batch that would.
 */
export async function fittingRun(
  options: AdaptOptions,
  target: PlanTarget,
  makeRoom: MakeRoom,
): Promise<FittingRun> {
  const peakOf = async (options: AdaptOptions) => (await runCost(options, target)).memory.peak;
  const plain = await peakOf(options);
  const available = await makeRoom(plain);
  if (plain <= available) return { options, notes: [] };
  const saving = { ...options, checkpointActivations: true };
  const least = await peakOf(saving);
  const told = (bytes: number) =>
    bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
  if (least <= available) {
    const note = `Memory is short (${told(plain)} needed, ${told(available)} free): ` +
      `feature maps are computed again, in ${told(least)}`;
    return { options: saving, notes: [note] };
  }
  const problem = `Cannot adapt at batch ${options.batch}: it takes ${told(least)} of ` +
    `memory, and ${told(available)} can be had`;
  // Given latents fix the batch.
  const smaller = options.z === null ? options.batch - 1 : 0;
  const peaks = new Map([[0, 0]]);
  let [fits, most] = [0, smaller]; // halved: planning a large model takes a second
  while (fits < most) {
    const batch = Math.ceil((fits + most) / 2);
    const peak = await peakOf({ ...saving, batch });
    peaks.set(batch, peak);
    if (peak <= available) fits = batch;
    else most = batch - 1;
  }
  if (fits > 0) {
    throw new DoesNotFitError(`${problem}; batch ${fits} takes ${told(peaks.get(fits)!)}`);
  }
  throw new DoesNotFitError(
    `${problem}, and no smaller batch takes less than ${told(peaks.get(1) ?? least)}; free ` +
      `some memory, use a smaller generator or fewer CLIP models`,
  );
}

const bytesOf = (shapes: readonly Shape[]) =>
  shapes.reduce((bytes, shape) => bytes + 4 * numel(shape), 0);

async function architectureOf(path: string): Promise<Architecture> {
  using checkpoint = await openCheckpoint(await findWeights(path) ?? path);
  return outlineGenerator(checkpoint).architecture;
}

/** Some targets: their values do not change what a step costs. */
function anyTargets({ architecture: { features } }: ClipFile): LossTargets {
  const unit = () => new Float32Array(features).fill(1 / Math.sqrt(features));
  return {
    direction: unit(),
    global: { features: unit(), logitScale: 100 },
    patch: PART_TEMPLATES.map(unit),
    manifold: 0.5,
  };
}

/** Drawing as a grid of samples is drawn. */
function gridProgram(a: Architecture, limits: Limits): ProgramSpec {
  const generator = generatorOf(a);
  const batch = batchBesideStep(a, limits.bindingBytes);
  const wPlus = input("w_plus", [batch, a.wCount, a.wSize]);
  const { image } = generator.synthesis(leavesOf(generator), wPlus, { mode: "const" });
  return { outputs: { image } };
}
