/**
 * The shape of a StyleGAN2 generator, and the names its tensors have in rosinality's PyTorch code,
 * the layout that most published checkpoints are in.
 */
import type { Shape } from "../../lib/graph/tensor.ts";
import type { Sizes } from "../generator/generator.ts";

/** A 3x3 modulated convolution with noise, bias and activation. */
export interface ConvLayer {
  /** As in the checkpoint: "conv1", "convs.0", "convs.1", … */
  readonly name: string;
  readonly inChannels: number;
  readonly outChannels: number;
  /** Side of its output in pixels. */
  readonly resolution: number;
  /** Whether it doubles the resolution. */
  readonly up: boolean;
  /** Which row of w+ styles it. Its noise has the same index. */
  readonly index: number;
}

/** A 1x1 modulated convolution to RGB, added to the image so far. */
export interface RgbLayer {
  /** As in the checkpoint: "to_rgb1", "to_rgbs.0", … */
  readonly name: string;
  readonly inChannels: number;
  readonly resolution: number;
  /** Which row of w+ styles it: shared with the first convolution of the next resolution. */
  readonly index: number;
}

export interface Architecture extends Sizes {
  readonly family: "stylegan2";
  /** Linear layers of the mapping network. */
  readonly mappingDepth: number;
  /** Channels of the feature maps at 4, 8, 16, … pixels. */
  readonly channels: readonly number[];
  readonly convs: readonly ConvLayer[];
  readonly rgbs: readonly RgbLayer[];
  /** Values of feature maps and colours are clamped to ± this, as NVIDIA's code does; null for none. */
  readonly limit: number | null;
}

/** What the rest of an architecture follows from. */
export type Dimensions =
  & Pick<Architecture, "zSize" | "wSize" | "mappingDepth" | "channels">
  & Partial<Pick<Architecture, "limit">>;

/** The generator with one block for each entry of `channels`, the first at 4x4. */
export function architecture(
  { zSize, wSize, mappingDepth, channels, limit = null }: Dimensions,
): Architecture {
  const convs: ConvLayer[] = [];
  const rgbs: RgbLayer[] = [];
  channels.forEach((outChannels, block) => {
    const resolution = 4 * 2 ** block;
    const conv = (name: string, inChannels: number, up: boolean) =>
      convs.push({ name, inChannels, outChannels, resolution, up, index: convs.length });
    if (block === 0) {
      conv("conv1", outChannels, false);
    } else {
      conv(`convs.${2 * block - 2}`, channels[block - 1]!, true);
      conv(`convs.${2 * block - 1}`, outChannels, false);
    }
    rgbs.push({
      name: block === 0 ? "to_rgb1" : `to_rgbs.${block - 1}`,
      inChannels: outChannels,
      resolution,
      index: 2 * block + 1,
    });
  });
  return {
    family: "stylegan2",
    resolution: 4 * 2 ** (channels.length - 1),
    zSize,
    wSize,
    mappingDepth,
    channels,
    wCount: 2 * channels.length,
    convs,
    rgbs,
    limit,
  };
}

/** Name and shape of every parameter, in the order of the layout. */
export function parameterShapes(a: Architecture): Map<string, Shape> {
  const shapes = new Map<string, Shape>();
  for (let k = 1; k <= a.mappingDepth; k++) {
    shapes.set(`style.${k}.weight`, [a.wSize, k === 1 ? a.zSize : a.wSize]);
    shapes.set(`style.${k}.bias`, [a.wSize]);
  }
  shapes.set("input.input", [1, a.channels[0]!, 4, 4]);
  const modulated = (name: string, inChannels: number, outChannels: number, kernel: number) => {
    shapes.set(`${name}.conv.weight`, [1, outChannels, inChannels, kernel, kernel]);
    shapes.set(`${name}.conv.modulation.weight`, [inChannels, a.wSize]);
    shapes.set(`${name}.conv.modulation.bias`, [inChannels]);
  };
  for (const { name, inChannels, outChannels } of a.convs) {
    modulated(name, inChannels, outChannels, 3);
    shapes.set(`${name}.noise.weight`, [1]);
    shapes.set(`${name}.activate.bias`, [outChannels]);
  }
  for (const { name, inChannels } of a.rgbs) {
    modulated(name, inChannels, 3, 1);
    shapes.set(`${name}.bias`, [1, 3, 1, 1]);
  }
  return shapes;
}

/** Name and shape of the noise buffers, by the index of their layer. */
export function noiseShapes(a: Architecture): Map<string, Shape> {
  return new Map(
    a.convs.map((
      { index, resolution },
    ) => [`noises.noise_${index}`, [1, 1, resolution, resolution]]),
  );
}

/** Names of the buffers in which the layout keeps `UPSAMPLING_KERNEL`. */
export function kernelNames(a: Architecture): string[] {
  return [
    ...a.convs.filter(({ up }) => up).map(({ name }) => `${name}.conv.blur.kernel`),
    ...a.rgbs.slice(1).map(({ name }) => `${name}.upsample.kernel`),
  ];
}

/**
 * The 4x4 low-pass filter after every insertion of zeros: [1, 3, 3, 1] / 8 along both axes, times 4
 * for the three of four pixels that are zero.
 */
export const UPSAMPLING_KERNEL: Float32Array<ArrayBuffer> = Float32Array.from(
  [1, 3, 3, 1].flatMap((a) => [1, 3, 3, 1].map((b) => a * b / 16)),
);

/**
 * The parameters of each layer, by the layer's name: "style" (the mapping network), "input" (the
 * learned constant), "conv1", "to_rgb1", "convs.0", …, "to_rgbs.0", ….
 */
export function layerParameters(a: Architecture): Map<string, string[]> {
  return Map.groupBy(
    parameterShapes(a).keys(),
    (name) => /^(?:convs|to_rgbs)\.\d+|^\w+/.exec(name)![0],
  );
}

/** The affine layer of every layer that is styled: of convolutions and ToRGB layers. */
export function layerAffines({ convs, rgbs }: Architecture): Map<string, string[]> {
  return new Map([...convs, ...rgbs].map(({ name }) => [name, [`${name}.conv.modulation`]]));
}

/** The layers that are trained unless asked otherwise: all but the mapping network and ToRGB. */
export function defaultTrainedLayers(a: Architecture): string[] {
  return ["input", ...a.convs.map(({ name }) => name)];
}
