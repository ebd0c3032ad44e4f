/** Trains one of the models, stage by stage. */
import type { Gpu } from "../../../lib/gpu/device.ts";
import type { HostArray } from "../../../lib/graph/tensor.ts";
import { Optimiser, type Problem } from "./optimiser.ts";
import type { TrainState, Values } from "./values.ts";

/** Steps that are all made by one program. */
export interface Stage {
  readonly name: string;
  /** The step after its last. */
  readonly end: number;
  /** Prepares what the stage needs: its graph, and what to feed. What it does not train it reads. */
  open(gpu: Gpu, state: TrainState): Promise<OpenStage>;
  /** What is done to the state after its last step. */
  finish?(gpu: Gpu, state: TrainState): Promise<TrainState>;
}

export interface OpenStage {
  readonly problem: Problem;
  /** Pictures that a step is fed with. */
  readonly pictures: number;
  inputs(step: number): Record<string, HostArray>;
  /** The learning rate of a step. */
  rate(step: number): number;
}

/** A model to train, from nothing. */
export interface Part {
  readonly name: string;
  /** In order; the last one's end is the end of training. */
  readonly stages: readonly Stage[];
  start(): TrainState;
  /** The trained model as a file's tensors and metadata. */
  export(gpu: Gpu, state: TrainState): Promise<Exported>;
}

export interface Exported {
  readonly tensors: ReadonlyMap<string, Values>;
  readonly metadata: Record<string, string>;
}

export interface StepEvent {
  readonly stage: string;
  /** Steps done. */
  readonly step: number;
  /** Before the step. */
  readonly loss: number;
  /** Pictures that it was fed with. */
  readonly pictures: number;
}

export interface RunOptions {
  /** Called after each step. */
  onStep?(event: StepEvent): void;
  /** Called every `saveEvery` steps, and whenever a stage or the run ends. */
  save?(state: TrainState): Promise<void>;
  readonly saveEvery?: number;
  /** Ends the run after the step in progress. */
  readonly signal?: AbortSignal;
}

/** Goes on from `state` to the end, or until told to stop. Returns the state then. */
export async function run(
  gpu: Gpu,
  part: Part,
  state: TrainState,
  { onStep, save, saveEvery = 250, signal }: RunOptions = {},
): Promise<TrainState> {
  for (const stage of part.stages) {
    if (state.step >= stage.end || signal?.aborted) continue;
    const open = await stage.open(gpu, state);
    using optimiser = await Optimiser.create(gpu, open.problem, state);
    let { step } = state;
    while (step < stage.end && !signal?.aborted) {
      const loss = await optimiser.run(open.inputs(step), { step, lr: open.rate(step) });
      step++;
      onStep?.({ stage: stage.name, step, loss, pictures: open.pictures });
      if (step % saveEvery === 0 && step < stage.end) {
        await save?.(await optimiser.read(step, state));
      }
    }
    state = await optimiser.read(step, state);
    if (step === stage.end && stage.finish) state = await stage.finish(gpu, state);
    await save?.(state);
  }
  return state;
}

/** Its number of steps. */
export const stepCount = (part: Part): number => part.stages.at(-1)!.end;
