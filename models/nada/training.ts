/**
 * One run of training on the device: two generators see the same latents, CLIP compares their
 * images, and one of them moves (StyleGAN-NADA, section 4.1).
 */
import type { Gpu } from "../../lib/gpu/device.ts";
import { DeviceTensor, readAll } from "../../lib/graph/device_tensor.ts";
import { grad } from "../../lib/graph/grad.ts";
import { adam, reshape } from "../../lib/graph/ops/mod.ts";
import { Program } from "../../lib/graph/program.ts";
import { constant, input, state, type Tensor } from "../../lib/graph/tensor.ts";
import type { Update } from "../../lib/graph/update.ts";
import type { Clip } from "../clip/clip.ts";
import type { ResizeVariant } from "../clip/preprocess.ts";
import {
  type Architecture,
  defaultTrainedLayers,
  layerParameters,
  noiseShapes,
} from "../stylegan2/architecture.ts";
import { type DeviceGenerator, uploadGenerator } from "../stylegan2/device.ts";
import {
  broadcastW,
  mapping,
  parameterLeaves,
  type Parameters,
  synthesis,
} from "../stylegan2/generator.ts";
import { type NoiseMode, noNoises, randomNoises } from "../stylegan2/noise.ts";
import type { GeneratorWeights, HostTensor } from "../stylegan2/weights.ts";
import { directionalLoss } from "./losses/mod.ts";

/** StyleGAN2's training code scales Adam for a regulariser every 4 steps, and NADA keeps that. */
const LAZY = 4 / 5;

/** The two generators of a run. */
export type Which = "frozen" | "trained";

export interface TrainingOptions {
  readonly batch: number;
  /** Learning rate before the factor 4/5 of the reference. */
  readonly lr: number;
  readonly noise: NoiseMode;
  readonly clipResize: ResizeVariant;
}

export interface TrainingModels {
  readonly frozen: GeneratorWeights;
  /** Start of the trained generator; of the same architecture. */
  readonly trained: GeneratorWeights;
  readonly clip: Clip;
  /** Unit vector `[d]` in this CLIP's space. */
  readonly textDirection: Float32Array<ArrayBuffer>;
}

/** All that changes while training: enough to go on from, bit for bit. */
export interface TrainingState {
  /** Steps done. */
  readonly step: number;
  readonly weights: ReadonlyMap<string, Float32Array<ArrayBuffer>>;
  /** Adam's second moments. */
  readonly moments: ReadonlyMap<string, Float32Array<ArrayBuffer>>;
}

export interface StepInputs {
  /** `[batch, zSize]` */
  readonly z: Float32Array<ArrayBuffer>;
  readonly noiseKeys: Readonly<Record<Which, Uint32Array<ArrayBuffer>>>;
}

export class Training {
  #step = 0;

  private constructor(
    private readonly gpu: Gpu,
    private readonly options: TrainingOptions,
    private readonly program: Program,
    private readonly owned: readonly DeviceTensor[],
    /** Trained parameters by name in the layout. */
    private readonly weights: ReadonlyMap<string, DeviceTensor>,
    private readonly moments: ReadonlyMap<string, DeviceTensor>,
    readonly frozen: DeviceGenerator,
    /** The generator that moves. */
    readonly generator: DeviceGenerator,
    /** The layers that are trained, by the reference's names. */
    readonly layers: readonly string[],
  ) {}

  /** Uploads the generators and compiles the step. */
  static async create(
    gpu: Gpu,
    models: TrainingModels,
    options: TrainingOptions,
  ): Promise<Training> {
    const { frozen, trained } = models;
    const a = frozen.architecture;
    const layers = defaultTrainedLayers(a);
    const layerOf = new Map<string, string>();
    const parametersOf = layerParameters(a);
    for (const layer of layers) {
      for (const name of parametersOf.get(layer)!) layerOf.set(name, layer);
    }
    // Tensors that are and stay equal are shared, and with them what is computed from them.
    const own = (name: string) =>
      layerOf.has(name) || !sameValues(frozen.parameters.get(name)!, trained.parameters.get(name)!);

    const still = await uploadGenerator(gpu, frozen);
    const owned = Object.values(still.tensors);
    try {
      const generator = await uploadGenerator(gpu, trained);
      owned.push(...Object.values(generator.tensors));
      const weights = new Map([...layerOf.keys()].map((name) => [name, generator.tensors[name]!]));
      const moments = new Map(
        weights.entries().map(([name, { shape }]) => [name, new DeviceTensor(gpu, shape, name)]),
      );
      owned.push(...moments.values());

      const z = input("z", [options.batch, a.zSize]);
      const generate = (which: Which, parameters: Parameters) => {
        const noises = noiseLeaves(a, options, which);
        return synthesis(parameters, a, broadcastW(a, mapping(parameters, a, z)), noises).image;
      };
      const { clip, textDirection } = models;
      const features = (image: Tensor) => clip.imageFeatures(image, options.clipResize);
      const leaves = {
        frozen: parameterLeaves(a, (name) => `frozen/${name}`),
        trained: parameterLeaves(a, (name) => `${own(name) ? "trained" : "frozen"}/${name}`),
      };
      const loss = directionalLoss(
        features(generate("frozen", leaves.frozen)),
        features(generate("trained", leaves.trained)),
        constant(textDirection, [1, textDirection.length]),
      );
      const program = await Program.compile(gpu, {
        outputs: { loss },
        updates: adamUpdates(loss, layerOf, leaves.trained),
        state: {
          ...await clip.imageState(),
          ...prefixed("frozen", still.tensors),
          ...prefixed("trained", generator.tensors),
          ...prefixed("moment", Object.fromEntries(moments)),
        },
      });
      return new Training(gpu, options, program, owned, weights, moments, still, generator, layers);
    } catch (error) {
      owned.forEach((tensor) => tensor.dispose());
      throw error;
    }
  }

  /** Steps done so far. */
  get step(): number {
    return this.#step;
  }

  /** Names of the trained parameters in the layout. */
  get trainedNames(): string[] {
    return [...this.weights.keys()];
  }

  /** What one step costs, known before it runs. */
  get plan(): Program["plan"] {
    return this.program.plan;
  }

  /**
   * One step. Returns the loss before the update; where it is not finite, nothing has changed.
   */
  async run({ z, noiseKeys }: StepInputs): Promise<number> {
    const beta2 = adamBeta2();
    const correction = 1 - beta2 ** (this.#step + 1);
    const hyper = Float32Array.of(this.options.lr * LAZY, 1 / correction);
    const { frozen, trained } = noiseKeys;
    const inputs = { z, hyper, "noise key/frozen": frozen, "noise key/trained": trained };
    const { loss } = await this.program.run(inputs, { read: ["loss"] });
    if (Number.isFinite(loss![0])) this.#step++;
    return loss![0]!;
  }

  /** Reads the state back. */
  async read(): Promise<TrainingState> {
    const names = [...this.weights.keys()];
    const tensors = [...this.weights.values(), ...this.moments.values()];
    const values = await readAll(this.gpu, tensors);
    return {
      step: this.#step,
      weights: new Map(names.map((name, i) => [name, values[i]!])),
      moments: new Map(names.map((name, i) => [name, values[names.length + i]!])),
    };
  }

  /** Goes back to a state that was read before. */
  restore(saved: TrainingState): void {
    this.#step = saved.step;
    for (const [name, tensor] of this.weights) tensor.write(saved.weights.get(name)!);
    for (const [name, tensor] of this.moments) tensor.write(saved.moments.get(name)!);
  }

  dispose(): void {
    this.program.dispose();
    this.owned.forEach((tensor) => tensor.dispose());
  }
}

/** Adam's second decay: 0.99, scaled like the learning rate. */
export function adamBeta2(): number {
  return 0.99 ** LAZY;
}

/** The optimiser's step for every trained parameter, switchable by layer. */
function adamUpdates(
  loss: Tensor,
  layerOf: ReadonlyMap<string, string>,
  leaves: Readonly<Record<string, Tensor>>,
): Update[] {
  const names = [...layerOf.keys()];
  const gradients = grad(loss, names.map((name) => leaves[name]!));
  const hyper = input("hyper", [2]);
  const guard = reshape(loss, [1]);
  return names.map((name, i) => {
    const w = leaves[name]!;
    const v = state(`moment/${name}`, w.shape);
    const attrs = { beta2: adamBeta2(), eps: 1e-8 };
    return adam({ w, v, g: gradients[i]!, hyper, guard }, attrs, layerOf.get(name)!);
  });
}

/** The noise of one of the generators; in "random" mode each draws its own. */
function noiseLeaves(a: Architecture, { noise, batch }: TrainingOptions, which: Which): Tensor[] {
  if (noise === "none") return noNoises(a);
  if (noise === "random") return randomNoises(a, batch, input(`noise key/${which}`, [2], "u32"));
  return noiseShapes(a).entries().map(([name, shape]) => state(`${which}/${name}`, shape))
    .toArray();
}

function prefixed<T>(prefix: string, values: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [`${prefix}/${name}`, value]),
  );
}

function sameValues(a: HostTensor, b: HostTensor): boolean {
  return a.data.every((value, i) => value === b.data[i]);
}
