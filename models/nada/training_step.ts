/**
 * The step of a run as a graph: two generators see the same latents, CLIP compares their images, and
 * one of them moves (StyleGAN-NADA, section 4.1).
 */
import { grad } from "../../lib/graph/grad.ts";
import { adam, add, mul, randomNormal, reshape, sum } from "../../lib/graph/ops/mod.ts";
import type { ProgramSpec } from "../../lib/graph/plan.ts";
import type { Precision } from "../../lib/graph/precision.ts";
import { recompute } from "../../lib/graph/recompute.ts";
import { input, numel, state, type Tensor } from "../../lib/graph/tensor.ts";
import type { Update } from "../../lib/graph/update.ts";
import type { ImageTower } from "../clip/mod.ts";
import { type Architecture, generatorOf } from "../generator/families.ts";
import {
  leavesOf,
  type Noise,
  type NoiseMode,
  noiseOf,
  type Parameters,
  type Synthesis,
} from "../generator/generator.ts";
import { broadcastW, mixStyles, trainingW } from "../generator/styles.ts";
import { BETA2, type FrozenAdam } from "./adam_clock.ts";
import { augment, type Augmentation } from "./augmentation.ts";
import { scaledGradients } from "./loss_scale.ts";
import { type LossPart, type LossSpec, totalLoss } from "./losses/mod.ts";
import { prefixed } from "./prefixed.ts";
import { trainedParameters, type TrainParams } from "./trained_layers.ts";

/** The two generators of a run. */
export type Which = "frozen" | "trained";

export interface TrainingOptions {
  readonly batch: number;
  readonly noise: NoiseMode;
  /** Layers that can be trained, by the reference's names. */
  readonly layers: readonly string[];
  /** Whether a step may leave out some of them; if not, it takes fewer launches. */
  readonly layersVary: boolean;
  /** What of them; each has some of it. */
  readonly trainParams: TrainParams;
  readonly frozenAdam: FrozenAdam;
  /** Above 0, steps take a second z. */
  readonly mixing: number;
  readonly augmentation: Augmentation;
  /** Computes most of the trained generator's maps again for the gradient: less memory, more work. */
  readonly checkpointActivations: boolean;
  /** How feature maps and their cotangents are stored. */
  readonly precision: Precision;
}

/** A step, ready to be planned or compiled. */
export interface TrainingStep {
  /**
   * Gives the loss, "total", and its parts, "part/…"; moves the trained parameters. In f16 it takes a
   * factor for all cotangents, "loss scale", and gives for each layer that is trained "guard/…", which
   * is not finite where that was too large; such a layer stays as it is.
   */
  readonly program: ProgramSpec;
  /** The layer of each parameter that can be trained, by its name in the layout. */
  readonly layerOf: ReadonlyMap<string, string>;
  /** Parts of the loss that are computed. */
  readonly parts: readonly LossPart[];
}

/** Builds the step for two generators that are different from the start in `differing`. */
export function trainingStep(
  a: Architecture,
  differing: ReadonlySet<string>,
  spec: LossSpec<ImageTower>,
  options: TrainingOptions,
): TrainingStep {
  const { layers } = options;
  const generator = generatorOf(a);
  const layerOf = trainedParameters(a, layers, options.trainParams);
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
  const syntheses: Partial<Record<Which, Synthesis>> = {};
  const draw = (which: Which) => {
    const wPlus = stylesOf(mapper[which], a, options);
    const noise = noiseOf(options.noise, `noise key/${which}`);
    const { image: drawn, layers: maps } = generator.synthesis(leaves[which], wPlus, noise);
    let image = drawn;
    syntheses[which] = { image, layers: maps };
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
  const { updates, guards } = adamUpdates(loss.total, layerOf, leaves.trained, options);
  const program = {
    outputs: {
      total: loss.total,
      ...prefixed("part", Object.fromEntries(loss.parts)),
      ...options.precision === "f16" && prefixed("guard", Object.fromEntries(guards)),
    },
    updates,
  };
  const { image, layers: maps } = syntheses.trained!;
  return {
    program: {
      ...options.checkpointActivations
        ? recompute(program, image, lastOfEachSize(Object.values(maps)))
        : program,
      precision: options.precision,
      ...options.layersVary && {
        outputGroups: new Map(layers.map((layer) => [`guard/${layer}`, layer])),
      },
    },
    layerOf,
    parts: [...loss.parts.keys()],
  };
}

/** Of feature maps, from coarse to fine, those that the next size begins with; and all images. */
function lastOfEachSize(maps: readonly Tensor[]): Set<Tensor> {
  const features = maps.filter(({ shape }) => shape[1] !== 3);
  const last = features.filter(({ shape }, i) => shape[2] !== features[i + 1]?.shape[2]);
  return new Set([...last, ...maps.filter(({ shape }) => shape[1] === 3)]);
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

/**
 * The optimiser's step for every trained parameter, switchable by layer where layers vary, and what
 * has to be finite for a layer's.
 */
function adamUpdates(
  loss: Tensor,
  layerOf: ReadonlyMap<string, string>,
  leaves: Readonly<Record<string, Tensor>>,
  { layersVary, precision }: TrainingOptions,
): { updates: Update[]; guards: Map<string, Tensor> } {
  const names = [...layerOf.keys()];
  const trained = names.map((name) => leaves[name]!);
  const gradients = precision === "f16" ? scaledGradients(loss, trained) : grad(loss, trained);
  const layers = new Set(layerOf.values());
  const hypers = new Map([...layers].map((layer) => [layer, input(`hyper/${layer}`, [3])]));
  const guards = new Map([...layers].map((layer) => {
    const own = gradients.filter((_, i) => layerOf.get(names[i]!) === layer);
    const watched = precision === "f16" ? add(loss, sum(witness(own))) : loss;
    return [layer, reshape(watched, [1])];
  }));
  const updates = names.map((name, i) => {
    const layer = layerOf.get(name)!;
    const w = leaves[name]!;
    const v = state(`moment/${name}`, w.shape);
    const [hyper, guard] = [hypers.get(layer)!, guards.get(layer)!];
    const attrs = { beta2: BETA2, eps: 1e-8 };
    return adam({ w, v, g: gradients[i]!, hyper, guard }, attrs, layersVary ? layer : undefined);
  });
  return { updates, guards };
}

/** More numbers than any layer has biases, or the learned constant has values. */
const FEW = 2 ** 13;

/**
 * Of a layer's gradients, one that is soon summed up and has a part of each of its cotangents: where
 * one of these was too large, its sum is not finite. That is a bias, or the like of it.
 */
function witness(gradients: readonly Tensor[]): Tensor {
  const bySize = gradients.toSorted((a, b) => numel(b.shape) - numel(a.shape));
  return bySize.find(({ shape }) => numel(shape) <= FEW) ?? bySize.at(-1)!;
}
