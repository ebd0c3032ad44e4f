/** The steps of a run, and what they leave in its folder. */
import { basename } from "node:path";
import type { Gpu } from "../../lib/gpu/device.ts";
import { readParameters } from "../stylegan2/device.ts";
import { fixedNoiseValues } from "../stylegan2/noise.ts";
import { NotFiniteError } from "../stylegan2/sampler.ts";
import type { GeneratorWeights, HostTensor } from "../stylegan2/weights.ts";
import { writeDelta } from "./delta.ts";
import type { RunInputs } from "./inputs.ts";
import { sampleImages, writeChart, writeGrid } from "./pictures.ts";
import type { Prepared } from "./prepare.ts";
import type { LogEntry, RunFolder } from "./run_folder.ts";
import { StepStream } from "./step_inputs.ts";

/** What a run tells while it goes on. */
export interface AdaptEvents {
  onStart?(info: RunStart): void;
  onStep?(entry: LogEntry): void;
  onSamples?(file: string): void;
}

export interface RunStart {
  readonly folder: string;
  readonly steps: number;
  readonly done: number;
  /** Layers that can be trained. */
  readonly layers: readonly string[];
  /** How many of them are chosen for a step; null where all are trained in every step. */
  readonly chosen: number | null;
  /** What the user should know of the options, a line each. */
  readonly notes: readonly string[];
}

export interface AdaptResult {
  readonly folder: string;
  /** "interrupted" and "diverged" leave the last good state behind. */
  readonly status: "finished" | "interrupted" | "diverged";
  readonly stepsDone: number;
  readonly lastGrid: string;
}

export interface Run {
  readonly inputs: RunInputs;
  readonly models: Prepared;
  readonly folder: RunFolder;
  /** What config.json says. */
  readonly config: unknown;
  /** What was logged before. */
  readonly log: LogEntry[];
}

/** Trains until the steps are done, `signal` says to stop or the loss is no longer a number. */
export async function train(
  gpu: Gpu,
  run: Run,
  events: AdaptEvents,
  signal: AbortSignal,
): Promise<AdaptResult> {
  const { folder, log, inputs: { options, plan, latents, frozen } } = run;
  const { training, selection } = run.models;
  const stream = new StepStream(
    frozen.architecture,
    { ...options, autoLayers: plan.auto, given: latents },
    training.step,
  );
  const before = await sampleImages(gpu, run.models.frozen);
  events.onStart?.({
    folder: folder.path,
    steps: options.steps,
    done: training.step,
    layers: plan.layers,
    chosen: plan.auto?.count ?? null,
    notes: run.inputs.notes,
  });

  let lastGrid = "";
  let savedStep = training.step;
  /** Writes all that a run leaves behind; false if the state is no good, and then nothing. */
  const save = async (): Promise<boolean> => {
    const after = await sampleImages(gpu, run.models.trained).catch((error) => {
      if (error instanceof NotFiniteError) return null;
      throw error;
    });
    if (after === null) return false;
    const state = await training.read();
    lastGrid = folder.file(`samples/step_${String(state.step).padStart(4, "0")}.png`);
    await writeGrid(lastGrid, run.inputs, { step: state.step, before, after });
    events.onSamples?.(lastGrid);
    await folder.writeState(state, frozen.parameters);
    await writeAdapted(run);
    await writeChart(folder.file("loss.png"), run.inputs, log);
    savedStep = state.step;
    return true;
  };

  await save();
  let layers = log.at(-1)?.layers ?? plan.layers;
  let diverged = false;
  while (training.step < options.steps && !signal.aborted && !diverged) {
    const started = performance.now();
    const step = training.step;
    const next = stream.next();
    if (selection && next.selection) layers = (await selection.choose(next.selection)).layers;
    const { total, parts } = await training.run(next.step, layers);
    diverged = !Number.isFinite(total);
    const ms = Math.round(10 * (performance.now() - started)) / 10;
    const entry: LogEntry = {
      step,
      loss: diverged ? null : total,
      ...Object.keys(parts).length > 1 && { parts },
      layers,
      ms,
    };
    if (!diverged) {
      log.push(entry);
      await folder.append(entry);
    }
    events.onStep?.(entry);
    const due = options.sampleEvery > 0 && training.step % options.sampleEvery === 0;
    if (due && !diverged && training.step < options.steps) diverged = !await save();
  }
  diverged = !await save() || diverged;
  const finished = training.step >= options.steps;
  return {
    folder: folder.path,
    status: diverged ? "diverged" : finished ? "finished" : "interrupted",
    stepsDone: savedStep,
    lastGrid,
  };
}

/** Writes the tensors of the trained generator that differ from the base's. */
async function writeAdapted({ folder, config, inputs, models }: Run): Promise<void> {
  const { frozen, trained, options, files } = inputs;
  const before = storedTensors(frozen);
  const after = storedTensors({ ...trained, parameters: await readParameters(models.trained) });
  const changed = new Map(
    after.entries().filter(([name, { data }]) => {
      const old = before.get(name)?.data;
      return old !== undefined && data.some((value, i) => value !== old[i]);
    }),
  );
  const { sha256 } = files.generator!;
  await writeDelta(folder.file("adapted.safetensors"), changed, {
    base: { file: basename(options.generator), sha256 },
    config,
  });
}

/** Parameters, noise, and the mean w where there is one. */
function storedTensors(weights: GeneratorWeights): Map<string, HostTensor> {
  const tensors = new Map([...weights.parameters, ...fixedNoiseValues(weights)]);
  if (weights.latentAvg) tensors.set("latent_avg", weights.latentAvg);
  return tensors;
}
