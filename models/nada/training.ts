/** One run of training on the device: the compiled step and all that it changes. */
import type { Gpu } from "../../lib/gpu/device.ts";
import { DeviceTensor, readAll } from "../../lib/graph/device_tensor.ts";
import { type Inputs, Program } from "../../lib/graph/program.ts";
import { tune } from "../../lib/graph/tune.ts";
import type { DeviceGenerator } from "../generator/device.ts";
import { AdamClock, type LayerTime } from "./adam_clock.ts";
import { FIRST_LOSS_SCALE, LOSS_SCALE, lowerLossScale } from "./loss_scale.ts";
import { type LossPart, type LossSpec, lossState } from "./losses/mod.ts";
import { prefixed } from "./prefixed.ts";
import type { Mixing } from "./random_latents.ts";
import { learningRate, type RateOptions } from "./learning_rate.ts";
import { type TrainingOptions, trainingStep, type Which } from "./training_step.ts";

export interface TrainingModels {
  readonly frozen: DeviceGenerator;
  /** The generator that moves; of the same architecture. */
  readonly trained: DeviceGenerator;
  /** Tensors that are different in the two from the start. */
  readonly differing: ReadonlySet<string>;
  readonly loss: LossSpec;
}

/** All that changes while training: enough to go on from, bit for bit. */
export interface TrainingState {
  /** Steps done. */
  readonly step: number;
  readonly weights: ReadonlyMap<string, Float32Array<ArrayBuffer>>;
  /** Adam's second moments, as they were when their layers were last trained. */
  readonly moments: ReadonlyMap<string, Float32Array<ArrayBuffer>>;
  /** By layer. */
  readonly times: ReadonlyMap<string, LayerTime>;
  /** The factor of all cotangents, which only f16 makes use of. */
  readonly lossScale: number;
}

export interface StepInputs {
  /** `[batch, zSize]` */
  readonly z: Float32Array<ArrayBuffer>;
  readonly noiseKeys: Readonly<Record<Which, Uint32Array<ArrayBuffer>>>;
  /** Corners of the patches, `[batch, 2]`. */
  readonly corners: Uint32Array<ArrayBuffer>;
  /** Where styles are mixed. */
  readonly mixing: Mixing | null;
  /** Maps of the windows, `[batch, 9]`, where images are augmented. */
  readonly windows: Float32Array<ArrayBuffer> | null;
}

/** The loss of a step before its update. */
export interface StepLoss {
  readonly total: number;
  /** The parts that are computed, each before its weight. */
  readonly parts: Readonly<Partial<Record<LossPart, number>>>;
  /** Layers that stayed as they are, as their gradients were too large for f16. */
  readonly overflowed: readonly string[];
}

/** A program of a run waits no longer than this for its kernels to be measured. */
export const TUNE_SECONDS = 20;

/** What may be told of the making, and what ends it. */
export interface CreateOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told while kernels are measured, of how many calls of how many that has been done. */
  readonly onTuning?: ((done: number, of: number) => void) | undefined;
  /** Waits for a turn on the device to measure one call. */
  readonly takeTurn?: (() => Promise<Disposable>) | undefined;
}

export class Training {
  #step = 0;
  #lossScale = FIRST_LOSS_SCALE;
  /** The step that was begun, unless something came up that changes what it takes. */
  #begun: { readonly step: StepInputs; readonly inputs: Inputs } | null = null;

  private constructor(
    private readonly gpu: Gpu,
    private readonly options: TrainingOptions & RateOptions,
    private readonly program: Program,
    /** Trained parameters by name in the layout. */
    private readonly weights: ReadonlyMap<string, DeviceTensor>,
    private readonly moments: ReadonlyMap<string, DeviceTensor>,
    private readonly clock: AdamClock,
    private readonly parts: readonly LossPart[],
  ) {}

  /**
   * Compiles the step, on a GPU by kernels that it measures first. The generators and the loss's CLIP
   * models stay the caller's to dispose.
   */
  static async create(
    gpu: Gpu,
    { frozen, trained, differing, loss }: TrainingModels,
    options: TrainingOptions & RateOptions,
    { signal, onTuning, takeTurn }: CreateOptions = {},
  ): Promise<Training> {
    const { layers } = options;
    const step = trainingStep(frozen.architecture, differing, loss, options);
    const names = [...step.layerOf.keys()];
    const weights = new Map(names.map((name) => [name, trained.tensors[name]!]));
    const moments = new Map<string, DeviceTensor>();
    try {
      await gpu.scoped(() => {
        for (const [name, { shape }] of weights) {
          moments.set(name, new DeviceTensor(gpu, shape, `moment of ${name}`));
        }
        return Promise.resolve();
      });
      // Software adapters would take minutes: there, nada tune is asked for it.
      if (!gpu.about.isCpu) {
        const how = { seconds: TUNE_SECONDS, signal, onProgress: onTuning, takeTurn };
        await tune(gpu, step.program, how);
      }
      const program = await Program.compile(gpu, {
        ...step.program,
        state: {
          ...await lossState(loss),
          ...prefixed("frozen", frozen.tensors),
          ...prefixed("trained", trained.tensors),
          ...prefixed("moment", Object.fromEntries(moments)),
        },
      }, signal);
      const clock = new AdamClock(layers, options.frozenAdam);
      return new Training(gpu, options, program, weights, moments, clock, step.parts);
    } catch (error) {
      moments.forEach((tensor) => tensor.dispose());
      throw error;
    }
  }

  /** Steps done so far. */
  get step(): number {
    return this.#step;
  }

  /** What the cotangents of the next step are multiplied by, in f16. */
  get lossScale(): number {
    return this.#lossScale;
  }

  /** The layers that can be trained. */
  get layers(): readonly string[] {
    return this.options.layers;
  }

  /** Names of their parameters in the layout. */
  get trainedNames(): string[] {
    return [...this.weights.keys()];
  }

  /**
   * One step, which trains `layers`, where they vary, and leaves the others as they are. Returns the
   * loss before the update; where that is not finite, nothing has changed. `next` is the step after
   * it, where that is to train the same layers: it is begun before the loss of this one is read, and
   * its update waits for that.
   */
  async run(
    step: StepInputs,
    layers: readonly string[] = this.layers,
    next: StepInputs | null = null,
  ): Promise<StepLoss> {
    const trained = new Set(layers);
    const skip = new Set(this.layers).difference(trained);
    if (skip.size > 0 && !this.options.layersVary) {
      throw new TypeError(`Cannot leave out ${[...skip].join(", ")}: the layers do not vary`);
    }
    const inputs = this.#begun?.step === step ? this.#begun.inputs : this.#inputs(step, this.#step);
    this.#begun = null;
    // What the next step takes if this one goes well, which nobody knows yet.
    const { times } = this.clock;
    this.clock.advance(trained);
    const begun = next && { step: next, inputs: this.#inputs(next, this.#step + 1) };
    const watched = this.options.precision === "f16" ? layers : [];
    const read = [
      "total",
      ...this.parts.map((part) => `part/${part}`),
      ...watched.map((layer) => `guard/${layer}`),
    ];
    const values = await this.program.run(inputs, { read, skip, next: begun?.inputs ?? null });
    const total = values.total![0]!;
    const finite = Number.isFinite(total);
    const overflowed = finite
      ? watched.filter((layer) => !Number.isFinite(values[`guard/${layer}`]![0]!))
      : [];
    if (finite) this.#step++;
    if (finite && overflowed.length === 0) this.#begun = begun;
    else this.clock.restore(times);
    if (overflowed.length > 0) {
      this.clock.advance(trained.difference(new Set(overflowed)));
      const what = `the gradients of ${overflowed.join(", ")}`;
      this.#lossScale = lowerLossScale(this.#lossScale, what);
    }
    const parts = this.parts.map((part) => [part, values[`part/${part}`]![0]!]);
    return { total, parts: Object.fromEntries(parts), overflowed };
  }

  /** What the program takes for a step, the `index`th of the run, as things are now. */
  #inputs({ z, noiseKeys, corners, mixing, windows }: StepInputs, index: number): Inputs {
    const lr = learningRate(this.options, index);
    return {
      z,
      corners,
      ...mixing && { "second z": mixing.z, "use first": mixing.useFirst },
      ...windows && { windows },
      ...this.options.precision === "f16" && { [LOSS_SCALE]: Float32Array.of(this.#lossScale) },
      ...prefixed("noise key", noiseKeys),
      ...Object.fromEntries(
        this.layers.map((layer) => [`hyper/${layer}`, this.clock.hyper(layer, lr)]),
      ),
    };
  }

  /** Reads the state back. */
  async read(): Promise<TrainingState> {
    const names = this.trainedNames;
    const tensors = [...this.weights.values(), ...this.moments.values()];
    const values = await readAll(this.gpu, tensors);
    return {
      step: this.#step,
      weights: new Map(names.map((name, i) => [name, values[i]!])),
      moments: new Map(names.map((name, i) => [name, values[names.length + i]!])),
      times: this.clock.times,
      lossScale: this.#lossScale,
    };
  }

  /** Goes back to a state that was read before. */
  restore(saved: TrainingState): void {
    this.#step = saved.step;
    this.#lossScale = saved.lossScale;
    this.#begun = null;
    this.clock.restore(saved.times);
    for (const [name, tensor] of this.weights) tensor.write(saved.weights.get(name)!);
    for (const [name, tensor] of this.moments) tensor.write(saved.moments.get(name)!);
  }

  dispose(): void {
    this.program.dispose();
    this.moments.forEach((tensor) => tensor.dispose());
  }
}
