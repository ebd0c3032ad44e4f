/** The steps of a run, and what they leave in its folder. */
import { basename } from "node:path";
import type { Gpu } from "../../lib/gpu/device.ts";
import { readParameters } from "../generator/device.ts";
import { inMemory } from "../generator/generator.ts";
import { NotFiniteError } from "../generator/sampler.ts";
import { writeDelta } from "./delta.ts";
import { evaluateShort, type ShortFigures } from "./eval/mod.ts";
import type { RunInputs } from "./inputs.ts";
import { hasPlateaued } from "./plateau.ts";
import { sampleImages, writeChart, writeGrid, writePaperGrid } from "./pictures.ts";
import type { Prepared } from "./prepare.ts";
import type { LogEntry, RunFolder } from "./run_folder.ts";
import { writeSnapshot } from "./snapshots.ts";
import { changedTensors, storedTensors } from "./stored_tensors.ts";
import { StepStream } from "./step_inputs.ts";

/** What a run tells while it goes on. */
export interface AdaptEvents {
  /** Before the start, on a GPU: of how many calls of how many its kernels have been measured. */
  onTuning?(done: number, of: number): void;
  onStart?(info: RunStart): void;
  onStep?(entry: LogEntry): void;
  onSamples?(file: string): void;
  /** Waits until the device is free for a step; what it gives is disposed of after that. */
  takeTurn?(): Promise<Disposable>;
  /** Gives up what it can of the device's memory, until so many bytes are free. */
  makeRoom?(bytes: number): Promise<void>;
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
  /**
   * "plateau" ends before the steps are done, as was asked for; "interrupted" and "diverged" leave
   * the last good state behind.
   */
  readonly status: "finished" | "plateau" | "interrupted" | "diverged";
  readonly stepsDone: number;
  readonly lastGrid: string;
  /** What each CLIP model says of the result; none of a run that diverged or was interrupted. */
  readonly figures: readonly ShortFigures[];
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
  const before = await sampleImages(gpu, run.models.frozen, options);
  let notes: string[] = [...run.inputs.notes, ...run.models.notes];
  events.onStart?.({
    folder: folder.path,
    steps: options.steps,
    done: training.step,
    layers: plan.layers,
    chosen: plan.auto?.count ?? null,
    notes,
  });

  let lastGrid = "";
  let savedStep = training.step;
  let picturedStep = -1;
  /** Writes what a run goes on from, and its result so far. */
  const saveState = async () => {
    const state = await training.read();
    await folder.writeState(state, frozen.parameters);
    await writeAdapted(run);
    savedStep = state.step;
  };
  /** Writes that and the pictures; false if the state is no good, and then nothing. */
  const save = async (): Promise<boolean> => {
    const after = await sampleImages(gpu, run.models.trained, options).catch((error) => {
      if (error instanceof NotFiniteError) return null;
      throw error;
    });
    if (after === null) return false;
    const { step } = training;
    lastGrid = folder.file(`samples/step_${String(step).padStart(4, "0")}.png`);
    await writeGrid(lastGrid, run.inputs, { step, before, after });
    events.onSamples?.(lastGrid);
    await saveState();
    await writeChart(folder.file("loss.png"), run.inputs, log);
    picturedStep = step;
    return true;
  };

  await save();
  let layers = log.at(-1)?.layers ?? plan.layers;
  let [diverged, plateau] = [false, false];
  const drawn = (step: number) => step < options.steps ? stream.next() : null;
  let next = drawn(training.step);
  while (next && !signal.aborted && !diverged && !plateau) {
    using turn = await events.takeTurn?.() ?? null;
    const started = performance.now();
    const step = training.step;
    const current = next;
    next = drawn(step + 1);
    if (selection && current.selection) layers = (await selection.choose(current.selection)).layers;
    // Whose turn it is after this step is open, and which layers the next one trains may be as well.
    const ahead = turn === null && next?.selection === null ? next.step : null;
    const { total, parts, overflowed } = await training.run(current.step, layers, ahead);
    if (overflowed.length > 0) {
      notes.push(
        `Gradients of ${
          overflowed.join(", ")
        } were too large for f16: left out of this step, the ` +
          `loss scale is ${training.lossScale} from here on`,
      );
    }
    turn?.[Symbol.dispose]();
    diverged = !Number.isFinite(total);
    const ms = Math.round(10 * (performance.now() - started)) / 10;
    const entry: LogEntry = {
      step,
      loss: diverged ? null : total,
      ...Object.keys(parts).length > 1 && { parts },
      layers,
      ms,
      ...notes.length > 0 && { notes },
    };
    notes = [];
    events.onStep?.(entry);
    if (diverged) break;
    log.push(entry);
    await folder.append(entry);
    const isDue = (every: number) => every > 0 && training.step % every === 0;
    if (isDue(options.snapshots)) await saveSnapshot(run);
    plateau = options.stopOn === "plateau" && hasPlateaued(log.map(({ loss }) => loss!));
    if (training.step >= options.steps || plateau) continue;
    if (isDue(options.sampleEvery)) diverged = !await save();
    else if (isDue(options.checkpointEvery)) await saveState();
  }
  if (picturedStep !== training.step) diverged = !await save() || diverged;
  if (!diverged && !signal.aborted) await writePaperGrids(gpu, run, events);
  return {
    folder: folder.path,
    status: diverged
      ? "diverged"
      : plateau
      ? "plateau"
      : training.step >= options.steps
      ? "finished"
      : "interrupted",
    stepsDone: savedStep,
    lastGrid,
    figures: diverged || signal.aborted ? [] : await judge(gpu, run),
  };
}

async function writePaperGrids(gpu: Gpu, run: Run, events: AdaptEvents): Promise<void> {
  const { folder, inputs, models: { frozen, trained, training: { step } } } = run;
  for (let place = 0; place < inputs.options.paperGrids; place++) {
    const file = folder.file(`samples/grid_${place}.png`);
    await writePaperGrid(gpu, file, inputs, { place, step, frozen, trained });
    events.onSamples?.(file);
  }
}

/** The short form of an evaluation. */
async function judge(gpu: Gpu, { models, inputs }: Run): Promise<ShortFigures[]> {
  const { frozen, trained: adapted, observers } = models;
  return await evaluateShort(gpu, { frozen, adapted }, observers, inputs.options.clipResize);
}

/** What the trained generator is by now and the base is not. */
async function changes({ inputs: { frozen, trained }, models }: Run) {
  const base = storedTensors(frozen);
  const values = await readParameters(models.trained);
  const parameters = new Map(values.entries().map(([name, tensor]) => [name, inMemory(tensor)]));
  const after = storedTensors({ ...trained, parameters });
  return { base, changed: await changedTensors(base, after) };
}

/** Writes the tensors of the trained generator that differ from the base's. */
async function writeAdapted(run: Run): Promise<void> {
  const { folder, config, inputs: { options, files } } = run;
  const { changed } = await changes(run);
  await writeDelta(folder.file("adapted.safetensors"), changed, {
    base: {
      file: basename(options.generator),
      sha256: files.generator!.sha256,
      classIndex: options.classIndex,
    },
    config,
  });
}

async function saveSnapshot(run: Run): Promise<void> {
  const { folder, inputs: { files }, models } = run;
  await writeSnapshot(folder, models.training.step, {
    ...await changes(run),
    baseSha256: files.generator!.sha256,
  });
}
