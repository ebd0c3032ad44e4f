/**
 * The shape of a StyleGAN3 generator (Karras et al., "Alias-Free Generative Adversarial Networks",
 * 2021), and the names its tensors have in NVIDIA's code.
 *
 * Feature maps are samples of continuous signals: each has a margin around the image, and the rate
 * at which it is sampled per side of the image. Every layer convolves, then upsamples, activates and
 * downsamples by filters that are in the checkpoint.
 */
import type { Shape } from "../../lib/graph/tensor.ts";
import type { Sizes } from "../generator/generator.ts";

export interface Layer {
  /** As in the checkpoint: "L0_36_512", "L1_36_512", …: number, side of its output, channels. */
  readonly name: string;
  /** Which row of w+ styles it. */
  readonly index: number;
  readonly inChannels: number;
  readonly outChannels: number;
  /** Side of the convolution's kernel. */
  readonly kernel: number;
  /** Sides of its input and output in samples, margins included. */
  readonly inSize: number;
  readonly outSize: number;
  /** Factors around the activation. */
  readonly up: number;
  readonly down: number;
  /** Shapes of the filters, `[taps]` or `[taps, taps]`; null where nothing is filtered. */
  readonly upFilter: Shape | null;
  readonly downFilter: Shape | null;
  /** Before and after, in samples after upsampling; negative values crop. */
  readonly pad: readonly [number, number];
}

export interface Architecture extends Sizes {
  readonly family: "stylegan3";
  /** Linear layers of the mapping network. */
  readonly mappingDepth: number;
  /** The Fourier features that the first layer reads. */
  readonly input: {
    readonly channels: number;
    /** Side in samples. */
    readonly size: number;
    /** Samples per side of the image. */
    readonly rate: number;
    /** Frequencies up to here, in periods per side of the image, have full amplitude. */
    readonly bandwidth: number;
  };
  /** The last of them makes the colours. */
  readonly layers: readonly Layer[];
  /** Largest magnitude of an activation; null for no limit. */
  readonly limit: number | null;
  /** What the colours are multiplied by. */
  readonly outputScale: number;
}

/** One layer as its name and the shapes of its tensors tell it. */
export type LayerShape = Pick<
  Layer,
  "name" | "inChannels" | "outChannels" | "kernel" | "outSize" | "upFilter" | "downFilter"
>;

/** What the shapes of the tensors tell. */
export interface Dimensions extends Pick<Architecture, "zSize" | "wSize" | "mappingDepth"> {
  readonly layers: readonly LayerShape[];
}

/** What they do not tell. */
export interface Settings extends Pick<Architecture, "limit" | "outputScale"> {
  readonly bandwidth: number;
  /** Samples around the image on each side. */
  readonly margin: number;
  /** How much finer than its input and output a layer's activation works. */
  readonly activationUp: number;
}

/** The last two layers have no margin: what they give is the image. */
const WITHOUT_MARGIN = 2;

/** The whole architecture. Sizes that contradict each other show as factors that are no integers. */
export function architecture(
  { zSize, wSize, mappingDepth, layers: shapes }: Dimensions,
  { bandwidth, margin, activationUp, limit, outputScale }: Settings,
): Architecture {
  const resolution = shapes.at(-1)!.outSize;
  const rates = shapes.map(({ outSize }, i) =>
    i >= shapes.length - WITHOUT_MARGIN ? resolution : outSize - 2 * margin
  );
  const layers = shapes.map((shape, i): Layer => {
    const before = Math.max(0, i - 1);
    const finest = Math.max(rates[before]!, rates[i]!) *
      (i === shapes.length - 1 ? 1 : activationUp);
    const sized = {
      ...shape,
      index: i + 1,
      inSize: shapes[before]!.outSize,
      up: finest / rates[before]!,
      down: finest / rates[i]!,
    };
    return { ...sized, pad: padding(sized) };
  });
  return {
    family: "stylegan3",
    resolution,
    zSize,
    wSize,
    wCount: layers.length + 1,
    mappingDepth,
    input: {
      channels: shapes[0]!.inChannels,
      size: shapes[0]!.outSize,
      rate: rates[0]!,
      bandwidth,
    },
    layers,
    limit,
    outputScale,
  };
}

/** Before and after, so that the size comes out and the filters keep samples where they are. */
function padding(
  { inSize, outSize, kernel, up, down, upFilter, downFilter }: Omit<Layer, "pad">,
): [number, number] {
  const [upTaps = 1] = upFilter ?? [];
  const [downTaps = 1] = downFilter ?? [];
  const needed = (outSize - 1) * down + 1 + upTaps + downTaps - 2;
  const total = needed - (inSize + kernel - 1) * up;
  const before = Math.floor((total + up) / 2);
  return [before, total - before];
}

const layerPath = ({ name }: Pick<Layer, "name">) => `synthesis.${name}`;

/** Names of the mapping network's layers. */
export function mappingNames({ mappingDepth }: Pick<Architecture, "mappingDepth">): string[] {
  return Array.from({ length: mappingDepth }, (_, k) => `mapping.fc${k}`);
}

/** Name and shape of every parameter, in the order of the layout. */
export function parameterShapes(a: Architecture): Map<string, Shape> {
  const { channels } = a.input;
  const shapes = new Map<string, Shape>([
    ["synthesis.input.weight", [channels, channels]],
    ["synthesis.input.affine.weight", [4, a.wSize]],
    ["synthesis.input.affine.bias", [4]],
  ]);
  for (const layer of a.layers) {
    const { inChannels, outChannels, kernel } = layer;
    shapes.set(`${layerPath(layer)}.weight`, [outChannels, inChannels, kernel, kernel]);
    shapes.set(`${layerPath(layer)}.bias`, [outChannels]);
    shapes.set(`${layerPath(layer)}.affine.weight`, [inChannels, a.wSize]);
    shapes.set(`${layerPath(layer)}.affine.bias`, [inChannels]);
  }
  mappingNames(a).forEach((name, k) => {
    shapes.set(`${name}.weight`, [a.wSize, k === 0 ? a.zSize : a.wSize]);
    shapes.set(`${name}.bias`, [a.wSize]);
  });
  return shapes;
}

/** Name and shape of what no training by gradients changes. */
export function fixedShapes(a: Architecture): Map<string, Shape> {
  const { channels } = a.input;
  const shapes = new Map<string, Shape>([
    ["synthesis.input.transform", [3, 3]],
    ["synthesis.input.freqs", [channels, 2]],
    ["synthesis.input.phases", [channels]],
  ]);
  for (const layer of a.layers) {
    shapes.set(`${layerPath(layer)}.magnitude_ema`, []);
    if (layer.upFilter) shapes.set(`${layerPath(layer)}.up_filter`, layer.upFilter);
    if (layer.downFilter) shapes.set(`${layerPath(layer)}.down_filter`, layer.downFilter);
  }
  return shapes;
}

/**
 * The parameters of each layer, by the layer's name: "input", "L0_36_512", …, "affine" (what turns w
 * into styles, in all of them) and "mapping".
 */
export function layerParameters(a: Architecture): Map<string, string[]> {
  return Map.groupBy(parameterShapes(a).keys(), (name) => {
    if (name.includes(".affine.")) return "affine";
    const [network, layer] = name.split(".");
    return network === "mapping" ? network : layer!;
  });
}

/** The affine layer of every layer; that of "input" turns and moves the picture. "affine" has all. */
export function layerAffines({ layers }: Architecture): Map<string, string[]> {
  const own = new Map(
    ["input", ...layers.map(({ name }) => name)].map((
      name,
    ) => [name, [`synthesis.${name}.affine`]]),
  );
  return new Map([["affine", [...own.values()].flat()], ...own]);
}

/** Layers that the reference leaves as they are; it does not say why. */
const LEFT_OUT = [10, 12];

/** The layers that are trained unless asked otherwise: the reference's, whose list has gaps. */
export function defaultTrainedLayers({ layers }: Architecture): string[] {
  const trained = layers.filter((_, i) => !LEFT_OUT.includes(i));
  return ["input", ...trained.map(({ name }) => name)];
}
