/**
 * One run of training on the device: two generators see the same latents, CLIP compares their
 * images, and one of them moves (StyleGAN-NADA, section 4.1).
 */
import type { Gpu } from "../../lib/gpu/device.ts";
import { DeviceTensor, readAll } from "../../lib/graph/device_tensor.ts";
import { grad } from "../../lib/graph/grad.ts";
import { adam, add, mul, randomNormal, reshape } from "../../lib/graph/ops/mod.ts";
import { Program } from "../../lib/graph/program.ts";
import { input, state, type Tensor } from "../../lib/graph/tensor.ts";
import type { Update } from "../../lib/graph/update.ts";
import type { DeviceGenerator } from "../generator/device.ts";
import { type Architecture, generatorOf } from "../generator/families.ts";
import {
  leavesOf,
  type Noise,
  type NoiseMode,
  noiseOf,
  type Parameters,
} from "../generator/generator.ts";
import { broadcastW, mixStyles, trainingW } from "../generator/styles.ts";
import { AdamClock, BETA2, type FrozenAdam, type LayerTime } from "./adam_clock.ts";
import { augment, type Augmentation } from "./augmentation.ts";
import type { Mixing } from "./random_latents.ts";
import { type LossPart, type LossSpec, lossState, totalLoss } from "./losses/mod.ts";

/** The two generators of a run. */
export type Which = "frozen" | "trained";

export interface TrainingOptions {
  readonly batch: number;
  /** Learning rate before the factor 4/5 of the reference. */
  readonly lr: number;
  readonly noise: NoiseMode;
  /** Layers that can be trained, by the reference's names. */
  readonly layers: readonly string[];
  readonly frozenAdam: FrozenAdam;
  /** Above 0, steps take a second z. */
  readonly mixing: number;
  readonly augmentation: Augmentation;
}

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
}

export class Training {
  #step = 0;

  private constructor(
    private readonly gpu: Gpu,
    private readonly options: TrainingOptions,
    private readonly program: Program,
    /** Trained parameters by name in the layout. */
    private readonly weights: ReadonlyMap<string, DeviceTensor>,
    private readonly moments: ReadonlyMap<string, DeviceTensor>,
    private readonly clock: AdamClock,
    private readonly parts: readonly LossPart[],
  ) {}

  /** Compiles the step. The generators and the loss's CLIP models stay the caller's to dispose. */
  static async create(
    gpu: Gpu,
    { frozen, trained, differing, loss: spec }: TrainingModels,
    options: TrainingOptions,
  ): Promise<Training> {
    const a = frozen.architecture;
    const { layers } = options;
    const generator = generatorOf(a);
    const layerOf = new Map(
      layers.flatMap((layer) => generator.layers.get(layer)!.map((name) => [name, layer] as const)),
    );
    const leaves = {
      frozen: leavesOf(generator, (name) => `frozen/${name}`),
      // Tensors that are and stay equal are shared, and with them what is computed from them.
      trained: leavesOf(
        generator,
        (name) => `${layerOf.has(name) || differing.has(name) ? "trained" : "frozen"}/${name}`,
      ),
    };
    // As in the reference, one mapping network serves both, unless it is to be trained.
    const ownMapping = layers.includes(generator.mappingLayer);
    const mapper = { frozen: leaves.frozen, trained: leaves[ownMapping ? "trained" : "frozen"] };
    const draw = (which: Which) => {
      const wPlus = stylesOf(mapper[which], a, options);
      const noise = noiseOf(options.noise, `noise key/${which}`);
      let { image } = generator.synthesis(leaves[which], wPlus, noise);
      if (which === "frozen" && !generator.hasNoise) image = disturbed(image, noise);
      return options.augmentation === "none"
        ? image
        : augment(image, input("windows", [options.batch, 9]));
    };
    const loss = totalLoss({
      frozen: draw("frozen"),
      adapted: draw("trained"),
      corners: input("corners", [options.batch, 2], "u32"),
    }, spec);

    const weights = new Map([...layerOf.keys()].map((name) => [name, trained.tensors[name]!]));
    const moments = new Map<string, DeviceTensor>();
    try {
      await gpu.scoped(() => {
        for (const [name, { shape }] of weights) {
          moments.set(name, new DeviceTensor(gpu, shape, `moment of ${name}`));
        }
        return Promise.resolve();
      });
      const program = await Program.compile(gpu, {
        outputs: { total: loss.total, ...prefixed("part", Object.fromEntries(loss.parts)) },
        updates: adamUpdates(loss.total, layerOf, leaves.trained),
        state: {
          ...await lossState(spec),
          ...prefixed("frozen", frozen.tensors),
          ...prefixed("trained", trained.tensors),
          ...prefixed("moment", Object.fromEntries(moments)),
        },
      });
      const clock = new AdamClock(layers, options.frozenAdam);
      const parts = [...loss.parts.keys()];
      return new Training(gpu, options, program, weights, moments, clock, parts);
    } catch (error) {
      moments.forEach((tensor) => tensor.dispose());
      throw error;
    }
  }

  /** Steps done so far. */
  get step(): number {
    return this.#step;
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
   * One step, which trains `layers` and leaves the others as they are. Returns the loss before the
   * update; where that is not finite, nothing has changed.
   */
  async run(
    { z, noiseKeys, corners, mixing, windows }: StepInputs,
    layers: readonly string[] = this.layers,
  ): Promise<StepLoss> {
    const trained = new Set(layers);
    const inputs = {
      z,
      corners,
      ...mixing && { "second z": mixing.z, "use first": mixing.useFirst },
      ...windows && { windows },
      ...prefixed("noise key", noiseKeys),
      ...Object.fromEntries(
        this.layers.map((layer) => [`hyper/${layer}`, this.clock.hyper(layer, this.options.lr)]),
      ),
    };
    const read = ["total", ...this.parts.map((part) => `part/${part}`)];
    const skip = new Set(this.layers).difference(trained);
    const values = await this.program.run(inputs, { read, skip });
    const total = values.total![0]!;
    if (Number.isFinite(total)) {
      this.#step++;
      this.clock.advance(trained);
    }
    const parts = this.parts.map((part) => [part, values[`part/${part}`]![0]!]);
    return { total, parts: Object.fromEntries(parts) };
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
    };
  }

  /** Goes back to a state that was read before. */
  restore(saved: TrainingState): void {
    this.#step = saved.step;
    this.clock.restore(saved.times);
    for (const [name, tensor] of this.weights) tensor.write(saved.weights.get(name)!);
    for (const [name, tensor] of this.moments) tensor.write(saved.moments.get(name)!);
  }

  dispose(): void {
    this.program.dispose();
    this.moments.forEach((tensor) => tensor.dispose());
  }
}

/** w+ of the step's latents. */
function stylesOf(p: Parameters, a: Architecture, { batch, mixing }: TrainingOptions): Tensor {
  const generator = generatorOf(a);
  const meanW = state("frozen/latent_avg", [a.wSize]);
  const styles = (name: string) => {
    const w = generator.mapping(p, input(name, [batch, a.zSize]));
    return broadcastW(a, trainingW(generator, w, meanW));
  };
  if (mixing === 0) return styles("z");
  return mixStyles(styles("z"), styles("second z"), input("use first", [a.wCount]));
}

/** Deviation of the noise on frozen images, for values in [-1, 1]. */
const IMAGE_NOISE = 5e-4;

/** The frozen image of a generator that adds no noise itself, with some, as in the reference. */
function disturbed(image: Tensor, noise: Noise): Tensor {
  if (noise.mode !== "random") return image;
  return add(image, mul(randomNormal(noise.key, image.shape), IMAGE_NOISE));
}

/** The optimiser's step for every trained parameter, switchable by layer. */
function adamUpdates(
  loss: Tensor,
  layerOf: ReadonlyMap<string, string>,
  leaves: Readonly<Record<string, Tensor>>,
): Update[] {
  const names = [...layerOf.keys()];
  const gradients = grad(loss, names.map((name) => leaves[name]!));
  const hypers = new Map(
    [...layerOf.values()].map((layer) => [layer, input(`hyper/${layer}`, [3])]),
  );
  const guard = reshape(loss, [1]);
  return names.map((name, i) => {
    const layer = layerOf.get(name)!;
    const w = leaves[name]!;
    const v = state(`moment/${name}`, w.shape);
    const hyper = hypers.get(layer)!;
    return adam({ w, v, g: gradients[i]!, hyper, guard }, { beta2: BETA2, eps: 1e-8 }, layer);
  });
}

function prefixed<T>(prefix: string, values: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [`${prefix}/${name}`, value]),
  );
}
