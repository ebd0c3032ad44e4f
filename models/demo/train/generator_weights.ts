/** The generator's parameters while it is trained, and as its files hold them. */
import type { Gpu } from "../../../lib/gpu/device.ts";
import { add, matmul, mul, sigmoid, sub } from "../../../lib/graph/ops/mod.ts";
import { Program } from "../../../lib/graph/program.ts";
import { constant, input, numel, type Shape, type Tensor } from "../../../lib/graph/tensor.ts";
import {
  type Architecture,
  layerAffines,
  noiseShapes,
  parameterShapes,
} from "../../stylegan2/architecture.ts";
import type { Parameters } from "../../generator/generator.ts";
import { broadcastW } from "../../generator/styles.ts";
import { mapping, synthesis } from "../../stylegan2/generator.ts";
import { OTHERS } from "./scenes.ts";
import { weightLeaf } from "./optimiser.ts";
import type { StepRandom } from "./random.ts";
import type { Values } from "./values.ts";

/**
 * The layout keeps the mapping network's parameters divided by their learning rate factor, 0.01.
 * Here they are what they are used as, so that one optimiser suits all.
 */
const STORED = 100;

const isMapping = (name: string) => name.startsWith("style.");
const isNoise = (name: string) => name.endsWith(".noise.weight");

/** Names and shapes of what photos need: all but the noise. */
function photoShapes(a: Architecture): [string, Shape][] {
  return [...parameterShapes(a)].filter(([name]) => !isNoise(name));
}

/** Of each number of a shift: adaptations move all alike, so what is within reach is near. */
const LIMIT = 0.5;

/** What is added to styles, from what is trained: x where that is small, never more than LIMIT. */
const bounded = (x: Tensor) => mul(sub(mul(sigmoid(mul(x, 2 / LIMIT)), 2), 1), LIMIT);

/** The first strength of noise images. */
const STRENGTH = 0.02;

/** Noise of all layers but the first, 4x4: what stays at its place on the canvas. */
function noiseOf(a: Architecture) {
  const images = [...noiseShapes(a)];
  return a.convs.slice(1).map(({ name, index }) => ({
    strength: `${name}.noise.weight`,
    image: images[index]![0],
    shape: images[index]![1],
  }));
}

/**
 * Styles are shifts of the style vectors of convolutions, a row for each of OTHERS. A shift is added
 * where the bias of a layer's affine is.
 */
function shiftsOf(a: Architecture) {
  const affines = layerAffines(a);
  return a.convs.map(({ name, inChannels }) => ({
    name: `${name}.shift`,
    bias: `${affines.get(name)![0]}.bias`,
    shape: [OTHERS.length, inChannels],
  }));
}

/**
 * Standard normal weights, which the layout scales where they are used; no biases. Noise images with
 * a small strength; shifts that are zero.
 */
export function initialGenerator(a: Architecture, random: StepRandom): Map<string, Values> {
  const photos = photoShapes(a).map(([name, shape]): [string, Values] => {
    const count = numel(shape);
    if (name.endsWith("modulation.bias")) {
      return [name, { shape, data: new Float32Array(count).fill(1) }];
    }
    const data = name.endsWith("bias") ? new Float32Array(count) : random.normals(count);
    return [name, { shape, data }];
  });
  const noise = noiseOf(a).flatMap(({ strength, image, shape }): [string, Values][] => [
    [strength, { shape: [1], data: Float32Array.of(STRENGTH) }],
    [image, { shape, data: random.normals(numel(shape)) }],
  ]);
  const shifts = shiftsOf(a).map(({ name, shape }): [string, Values] => [
    name,
    { shape, data: new Float32Array(numel(shape)) },
  ]);
  return new Map([...photos, ...noise, ...shifts]);
}

export interface GeneratorLeaves {
  /** As graphs take them. */
  readonly parameters: Parameters;
  readonly mapping: Record<string, Tensor>;
  /** The rest of what is trained. */
  readonly synthesis: Record<string, Tensor>;
}

/** Of a generator that draws photos, without noise. */
export function photoLeaves(a: Architecture): GeneratorLeaves {
  const leaves = photoShapes(a).map(([name, shape]) => [name, weightLeaf(name, shape)] as const);
  const split = Object.groupBy(leaves, ([name]) => isMapping(name) ? "mapping" : "synthesis");
  const none = a.convs.map(({ name }) => [`${name}.noise.weight`, constant(0)]);
  return {
    parameters: { ...used(leaves), ...Object.fromEntries(none) },
    mapping: Object.fromEntries(split.mapping ?? []),
    synthesis: Object.fromEntries(split.synthesis ?? []),
  };
}

export interface StyledLeaves extends GeneratorLeaves {
  /** One image for each convolution. */
  readonly noises: readonly Tensor[];
  /** Noise and shifts. */
  readonly styles: Record<string, Tensor>;
}

/**
 * Of a generator that draws styles as well: `shares` `[n, OTHERS]` says for each picture how far it
 * goes to each of them.
 */
export function styledLeaves(a: Architecture, shares: Tensor): StyledLeaves {
  const photo = photoLeaves(a);
  const styles: Record<string, Tensor> = {};
  const leaf = (name: string, shape: Shape) => styles[name] = weightLeaf(name, shape);
  const noise = noiseOf(a).map(({ strength, image, shape }) => ({
    strength: [strength, leaf(strength, [1])] as const,
    image: leaf(image, shape),
  }));
  const strengths = Object.fromEntries(noise.map(({ strength }) => strength));
  const shifts = shiftsOf(a).map(({ name, shape }) =>
    [name, matmul({ a: shares, b: bounded(leaf(name, shape)) }, {})] as const
  );
  return {
    ...photo,
    parameters: shifted(a, { ...photo.parameters, ...strengths }, Object.fromEntries(shifts)),
    noises: [constant(0), ...noise.map(({ image }) => image)],
    styles,
  };
}

/** The parameters with shifts `[n, channels]`, by their names, added to the styles. */
function shifted(
  a: Architecture,
  parameters: Parameters,
  shifts: Readonly<Record<string, Tensor>>,
): Parameters {
  const biases = shiftsOf(a).map(({ name, bias }) => [bias, add(shifts[name]!, parameters[bias]!)]);
  return { ...parameters, ...Object.fromEntries(biases) };
}

/** Parameters as graphs take them, from what is trained. */
function used(leaves: readonly (readonly [string, Tensor])[]): Parameters {
  return Object.fromEntries(
    leaves.map(([name, leaf]) => [name, isMapping(name) ? mul(leaf, STORED) : leaf]),
  );
}

/** A trained generator that graphs hold as constants. */
export class FixedGenerator {
  readonly #parameters: Parameters;
  readonly #noises: readonly Tensor[];
  /** Each style's shift of each convolution, `[OTHERS, channels]`. */
  readonly shifts: ReadonlyMap<string, Values>;

  constructor(readonly architecture: Architecture, weights: ReadonlyMap<string, Values>) {
    const fixed = (name: string): [string, Tensor] => {
      const { shape, data } = weights.get(name)!;
      return [name, constant(data, shape)];
    };
    const noise = noiseOf(architecture);
    this.#parameters = {
      ...used(photoShapes(architecture).map(([name]) => fixed(name))),
      "conv1.noise.weight": constant(0),
      ...Object.fromEntries(noise.map(({ strength }) => fixed(strength))),
    };
    this.#noises = [constant(0), ...noise.map(({ image }) => fixed(image)[1])];
    this.shifts = new Map(
      shiftsOf(architecture).map(({ name, shape }) => [name, {
        shape,
        // As `bounded`.
        data: weights.get(name)!.data.map((value) => LIMIT * Math.tanh(value / LIMIT)),
      }]),
    );
  }

  /** Pictures of latents `[n, zSize]` at shifts `[n, channels]`, by their names. */
  draw(z: Tensor, shifts: Readonly<Record<string, Tensor>>): Tensor {
    const [p, a] = [this.#parameters, this.architecture];
    const wPlus = broadcastW(a, mapping(p, a, z));
    return synthesis(shifted(a, p, shifts), a, wPlus, this.#noises).image;
  }
}

/** What a file of the generator holds, noise and mean w included, and no shifts. */
export function storedGenerator(
  a: Architecture,
  weights: ReadonlyMap<string, Values>,
  meanW: Float32Array<ArrayBuffer>,
): Map<string, Values> {
  const shapes = [...parameterShapes(a), ...noiseShapes(a)];
  const stored = shapes.map(([name, shape]): [string, Values] => {
    const data = weights.get(name)?.data ?? new Float32Array(numel(shape));
    return [name, { shape, data: isMapping(name) ? data.map((value) => STORED * value) : data }];
  });
  return new Map([...stored, ["latent_avg", { shape: [a.wSize], data: meanW }]]);
}

/** Mean and standard deviation of w `[wSize]` over latents z `[n, zSize]`. */
export async function statisticsOfW(
  gpu: Gpu,
  a: Architecture,
  weights: ReadonlyMap<string, Values>,
  z: Float32Array<ArrayBuffer>,
): Promise<Record<"mean" | "deviation", Float32Array<ArrayBuffer>>> {
  const n = z.length / a.zSize;
  const parameters = storedGenerator(a, weights, new Float32Array(a.wSize)).entries()
    .filter(([name]) => isMapping(name))
    .map(([name, { shape, data }]) => [name, constant(data, shape)]);
  const w = mapping(Object.fromEntries(parameters), a, input("z", [n, a.zSize]));
  const program = await Program.compile(gpu, { outputs: { w } });
  const values = (await program.run({ z }, { read: ["w"] })).w!;
  program.dispose();

  const mean = new Float64Array(a.wSize);
  const square = new Float64Array(a.wSize);
  values.forEach((value, i) => {
    mean[i % a.wSize]! += value / n;
    square[i % a.wSize]! += value * value / n;
  });
  return {
    mean: Float32Array.from(mean),
    deviation: Float32Array.from(square, (value, i) => Math.sqrt(value - mean[i]! ** 2)),
  };
}
