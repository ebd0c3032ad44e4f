/**
 * The adaptive layer choice (StyleGAN-NADA, section 4.2): codes of some latents are moved in W+
 * towards the target text, and the layers whose codes moved most are the ones to train.
 */
import { UserError } from "../../lib/errors.ts";
import type { Gpu } from "../../lib/gpu/device.ts";
import { DeviceTensor } from "../../lib/graph/device_tensor.ts";
import { grad } from "../../lib/graph/grad.ts";
import { abs, add, assign, mean, mul, sub } from "../../lib/graph/ops/mod.ts";
import type { Precision } from "../../lib/graph/precision.ts";
import type { ProgramSpec } from "../../lib/graph/plan.ts";
import { Program } from "../../lib/graph/program.ts";
import { input, numel, state } from "../../lib/graph/tensor.ts";
import type { Clip, ImageTower } from "../clip/clip.ts";
import type { ResizeVariant } from "../clip/preprocess.ts";
import type { DeviceGenerator } from "../generator/device.ts";
import { type Architecture, generatorOf } from "../generator/families.ts";
import { leavesOf, type NoiseMode, noiseOf } from "../generator/generator.ts";
import { broadcastW, trainingW } from "../generator/styles.ts";
import { FIRST_LOSS_SCALE, LOSS_SCALE, lowerLossScale, scaledGradients } from "./loss_scale.ts";
import { globalLoss, type GlobalTarget } from "./losses/mod.ts";

/** Step of the gradient descent in W+. */
const LEARNING_RATE = 0.01;

/** A CLIP model that judges the images by the target text alone, without an article. */
export interface SelectionJudge<C extends ImageTower = Clip> {
  readonly clip: C;
  /** Models with weight 0 are left out. */
  readonly weight: number;
  readonly target: GlobalTarget;
}

export interface SelectionModels {
  /** Its mapping network gives the codes. */
  readonly frozen: DeviceGenerator;
  /** Its synthesis network, as it is at each choice, draws the images. */
  readonly trained: DeviceGenerator;
  readonly judges: readonly SelectionJudge[];
}

export interface SelectionOptions {
  /** Latents at a time. */
  readonly batch: number;
  /** Steps of gradient descent. */
  readonly iterations: number;
  /** Layers to choose. */
  readonly count: number;
  readonly noise: NoiseMode;
  readonly clipResize: ResizeVariant;
  /** How feature maps and their cotangents are stored. */
  readonly precision: Precision;
}

export interface SelectionInputs {
  /** `[batch, zSize]` */
  readonly z: Float32Array<ArrayBuffer>;
  /** Seed and counter of random noise; iteration i takes the counter + i. */
  readonly noiseKey: Uint32Array<ArrayBuffer>;
}

export interface LayerChoice {
  /** How far the codes moved, one number for each of the generator's `selectableLayers`. */
  readonly weights: Float32Array;
  /** Indices into `selectableLayers`, those that moved most first. */
  readonly chosen: readonly number[];
  /** Their names. */
  readonly layers: readonly string[];
}

/**
 * Whether `count` layers are all that can be chosen: then there is nothing to find out. Throws a
 * UserError for more than there are, and for no whole number from 1 on.
 */
export function choosesAll(a: Architecture, count: number): boolean {
  const layers = generatorOf(a).selectableLayers.length;
  if (Number.isInteger(count) && count >= 1 && count <= layers) return count === layers;
  throw new UserError(
    `Cannot choose ${count} layers: this generator has ${layers} to choose from; pass ` +
      `--auto-layer-k with a whole number from 1 to ${layers}, where ${layers} trains them all`,
  );
}

/** What is moved, by its name among the states. */
const MOVED = "moved";

/**
 * One step of the descent, which gives "weights": how far the codes have moved, for each layer; in f16
 * it takes a loss scale. The frozen generator's mapping network gives the codes, the trained one's synthesis network the images.
 */
export function selectionStep(
  a: Architecture,
  judges: readonly SelectionJudge<ImageTower>[],
  { batch, noise, clipResize, precision }: Pick<
    SelectionOptions,
    "batch" | "noise" | "clipResize" | "precision"
  >,
): ProgramSpec {
  const generator = generatorOf(a);
  const z = input("z", [batch, a.zSize]);
  const codes = trainingW(
    generator,
    generator.mapping(leavesOf(generator, frozenName), z),
    state(frozenName("latent_avg"), [a.wSize]),
  );
  // What was moved is kept apart from the codes: beside them, most of its digits would be lost.
  const moved = state(MOVED, [batch, a.wCount, a.wSize]);
  const wPlus = add(broadcastW(a, codes), moved);
  const { image } = generator.synthesis(leavesOf(generator), wPlus, noiseOf(noise, "noise key"));
  const loss = judges
    .map(({ clip, weight, target }) =>
      mul(globalLoss(clip.imageFeatures(image, clipResize), target), weight)
    )
    .reduce(add);
  const [gradient] = precision === "f16" ? scaledGradients(loss, [moved]) : grad(loss, [moved]);
  const after = sub(moved, mul(gradient!, LEARNING_RATE));
  return {
    outputs: { weights: mean(abs(after), [0, 2]) },
    updates: [assign({ state: moved, value: after }, {})],
    precision,
  };
}

export class LayerSelection {
  private constructor(
    private readonly options: SelectionOptions,
    private readonly architecture: Architecture,
    private readonly program: Program,
    /** What gradient descent has added to the codes, `[batch, wCount, wSize]`. */
    private readonly moved: DeviceTensor,
  ) {}

  /**
   * Compiles one step of the descent, which `signal` ends early. It reads the generators' tensors as
   * they are at each choice.
   */
  static async create(
    gpu: Gpu,
    { frozen, trained, judges }: SelectionModels,
    options: SelectionOptions,
    signal?: AbortSignal,
  ): Promise<LayerSelection> {
    const a = trained.architecture;
    const asked = judges.filter(({ weight }) => weight !== 0);
    const step = selectionStep(a, asked, options);
    const towers = await Promise.all(asked.map(({ clip }) => clip.imageState()));
    const kept = new DeviceTensor(gpu, [options.batch, a.wCount, a.wSize], "moved codes");
    try {
      const program = await Program.compile(gpu, {
        ...step,
        state: {
          ...Object.assign({}, ...towers),
          ...Object.fromEntries(
            Object.entries(frozen.tensors).map(([name, tensor]) => [frozenName(name), tensor]),
          ),
          ...trained.tensors,
          [MOVED]: kept,
        },
      }, signal);
      return new LayerSelection(options, a, program, kept);
    } catch (error) {
      kept.dispose();
      throw error;
    }
  }

  /** Moves the codes of these latents and says which layers that concerns most. */
  async choose(inputs: SelectionInputs): Promise<LayerChoice> {
    const inHalves = this.options.precision === "f16";
    // At each choice from the first scale on: a choice depends on no other.
    let scale = FIRST_LOSS_SCALE;
    let weights = await this.#weigh(inputs, scale);
    while (inHalves && !weights.every(Number.isFinite)) {
      scale = lowerLossScale(scale, "the gradients behind the choice of layers");
      weights = await this.#weigh(inputs, scale);
    }
    const chosen = [...weights.keys()]
      .sort((i, k) => weights[k]! - weights[i]!)
      .slice(0, this.options.count);
    const names = generatorOf(this.architecture).selectableLayers;
    return { weights, chosen, layers: chosen.map((index) => names[index]!) };
  }

  /** How far the codes move, for each layer. */
  async #weigh({ z, noiseKey: [seed, counter] }: SelectionInputs, lossScale: number) {
    this.moved.write(new Float32Array(numel(this.moved.shape)));
    let weights: Float32Array = new Float32Array(this.architecture.wCount);
    for (let i = 0; i < this.options.iterations; i++) {
      const inputs = {
        z,
        "noise key": Uint32Array.of(seed!, counter! + i),
        [LOSS_SCALE]: Float32Array.of(lossScale),
      };
      weights = (await this.program.run(inputs, { read: ["weights"] })).weights!;
    }
    return weights;
  }

  /** Frees all but the generators and the CLIP models. */
  dispose(): void {
    this.program.dispose();
    this.moved.dispose();
  }
}

const frozenName = (name: string) => `frozen/${name}`;
