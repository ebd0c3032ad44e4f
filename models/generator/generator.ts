/** What the method and the commands know of a generator, whatever its family. */
import type { ModuleAbout, TensorEntry } from "../../lib/checkpoint/mod.ts";
import { input, type Shape, state, type Tensor } from "../../lib/graph/tensor.ts";

/** What every architecture says. */
export interface Sizes {
  /** Side of the image in pixels. */
  readonly resolution: number;
  readonly zSize: number;
  readonly wSize: number;
  /** Rows of w+. */
  readonly wCount: number;
}

/** A generator's tensors, parameters and fixed ones, by their names in the layout. */
export type Parameters = Readonly<Record<string, Tensor>>;

export interface Generator {
  /** The family for people, as in "StyleGAN2". */
  readonly title: string;
  /** Channels of the feature maps, from coarse to fine. */
  readonly channels: readonly number[];
  /** Name and shape of every parameter, in the order of the layout. */
  readonly parameterShapes: ReadonlyMap<string, Shape>;
  /** The same of what no training changes: noise images, filters, frequencies. */
  readonly fixedShapes: ReadonlyMap<string, Shape>;
  /** The parameters of each layer, by the layer's name, in the order of the layout. */
  readonly layers: ReadonlyMap<string, readonly string[]>;
  /**
   * The affine layers that turn w into the styles of a layer, by the layer's name: for "conv1.affine",
   * the parameters "conv1.affine.weight" and "conv1.affine.bias". Layers without styles are left out.
   */
  readonly affines: ReadonlyMap<string, readonly string[]>;
  /** The layer that is the mapping network. */
  readonly mappingLayer: string;
  /** The layers that are trained unless asked otherwise. */
  readonly defaultLayers: readonly string[];
  /** The layers that the adaptive choice takes from, by the row of w+ that stands for each. */
  readonly selectableLayers: readonly string[];
  /** Elements of the largest feature map of one image. */
  readonly largestMap: number;
  /** Whether its layers add noise. */
  readonly hasNoise: boolean;
  /** Truncation of the latents that it is adapted with. */
  readonly trainingPsi: number;
  /** The mapping network: z `[n, zSize]` → w `[n, wSize]`. */
  mapping(p: Parameters, z: Tensor): Tensor;
  /** The synthesis network: w+ `[n, wCount, wSize]` → image. */
  synthesis(p: Parameters, wPlus: Tensor, noise: Noise): Synthesis;
}

/**
 * "const": the images of the checkpoint, the same for every sample; "random": other ones for every
 * sample and run; "none": no noise.
 */
export type NoiseMode = "const" | "random" | "none";

/** What the layers of a generator add; random noise follows from a key, u32 `[2]`: seed, counter. */
export type Noise =
  | { readonly mode: "const" | "none" }
  | { readonly mode: "random"; readonly key: Tensor };

/** Noise of a mode, with its key as the input `key` of the program where it is random. */
export function noiseOf(mode: NoiseMode, key: string): Noise {
  return mode === "random" ? { mode, key: input(key, [2], "u32") } : { mode };
}

/** An image with what each layer gave on the way, by the layer's name. */
export interface Synthesis {
  /** `[n, 3, resolution, resolution]`, about [-1, 1]. */
  readonly image: Tensor;
  readonly layers: Readonly<Record<string, Tensor>>;
}

/** Values on the host. */
export interface HostTensor {
  readonly shape: Shape;
  readonly data: Float32Array<ArrayBuffer>;
}

/** Values in a file, or of one: nothing but the shape is in memory before `read()`. */
export interface StoredTensor {
  readonly shape: Shape;
  /**
   * All values, finite, in memory that is the caller's own. Throws a CheckpointError where they are
   * not finite, or the file has changed.
   */
  read(): Promise<Float32Array<ArrayBuffer>>;
}

/** Values that are in memory already. */
export function inMemory({ shape, data }: HostTensor): StoredTensor {
  return { shape, read: () => Promise.resolve(data.slice()) };
}

/** The files that weights come from have to stay as they are for as long as these are used. */
export interface Weights<A> {
  readonly architecture: A;
  /** Every parameter by its name in the layout. */
  readonly parameters: ReadonlyMap<string, StoredTensor>;
  /** What no training changes. */
  readonly fixed: ReadonlyMap<string, StoredTensor>;
  /** Mean of w, `[wSize]`; null if the checkpoint has none. */
  readonly latentAvg: StoredTensor | null;
}

type Attributes = { readonly attributes: Readonly<Record<string, unknown>> };

/** A tensor of a file; its element type is missing where the values were made of others. */
export type SourceTensor =
  & Pick<TensorEntry, "shape" | "read">
  & Partial<Pick<TensorEntry, "dtype">>;

/** The part of an open checkpoint that generators are read from. */
export interface TensorSource {
  readonly file: string;
  readonly tensors: ReadonlyMap<string, SourceTensor>;
  /** What pickles keep of networks and layers, by path. */
  readonly modules?: ReadonlyMap<string, Partial<Pick<ModuleAbout, "kwargs">> & Attributes>;
  /** Text beside the tensors. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * State leaves for all tensors. `stateName` gives another name to those that a second copy does not
 * share with the first.
 */
export function leavesOf(
  { parameterShapes, fixedShapes }: Pick<Generator, "parameterShapes" | "fixedShapes">,
  stateName: (name: string) => string = (name) => name,
): Parameters {
  const shapes = [...parameterShapes, ...fixedShapes];
  return Object.fromEntries(shapes.map(([name, shape]) => [name, state(stateName(name), shape)]));
}
