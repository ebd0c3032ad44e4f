/**
 * StyleGAN2's generator as graphs (Karras et al., "Analyzing and Improving the Image Quality of
 * StyleGAN", 2020), numerically as in rosinality's PyTorch code.
 *
 * A modulated convolution is linear in its input times the style, so one weight serves the whole
 * batch: conv(x * s, W) * d, where d divides by the norm that the modulated weight would have.
 */
import {
  add,
  clampedLrelu,
  conv2d,
  convTranspose2d,
  matmul,
  modulatedLrelu,
  mul,
  reshape,
  rsqrt,
  slice,
  square,
  sum,
  transpose,
  upfirdn2d,
} from "../../lib/graph/ops/mod.ts";
import { constant, dims, type Tensor } from "../../lib/graph/tensor.ts";
import type { Parameters, Synthesis } from "../generator/generator.ts";
import { EPSILON, linear, LRELU, mappingNetwork } from "../generator/mapping.ts";
import {
  type Architecture,
  type ConvLayer,
  type RgbLayer,
  UPSAMPLING_KERNEL,
} from "./architecture.ts";

/** The mapping network: z `[n, zSize]` → w `[n, wSize]`. */
export function mapping(p: Parameters, a: Architecture, z: Tensor): Tensor {
  return mappingNetwork(p, Array.from({ length: a.mappingDepth }, (_, k) => `style.${k + 1}`), z);
}

/**
 * The synthesis network. wPlus `[n, wCount, wSize]`; `noises` one per convolution, `[n, 1, r, r]` or
 * any shape that broadcasts to it. Of the layers, convolutions are given after their activation, and
 * ToRGB layers as the image up to there.
 */
export function synthesis(
  p: Parameters,
  a: Architecture,
  wPlus: Tensor,
  noises: readonly Tensor[],
): Synthesis {
  const layers: Record<string, Tensor> = {};
  const { n } = dims(wPlus, "n l w");
  const style = ({ name, index }: ConvLayer | RgbLayer) => {
    const w = reshape(slice(wPlus, [0, index, 0], [n, 1, a.wSize]), [n, a.wSize]);
    return linear(p, `${name}.conv.modulation`, w); // [n, i]
  };

  let x = p["input.input"]!; // [1, c, 4, 4]
  let image: Tensor | null = null;
  for (const rgb of a.rgbs) {
    for (const conv of a.convs.filter(({ resolution }) => resolution === rgb.resolution)) {
      x = styledConv(p, a, conv, x, style(conv), noises[conv.index]!);
      layers[conv.name] = x;
    }
    image = toRgb(p, a, rgb, x, style(rgb), image);
    layers[rgb.name] = image;
  }
  return { image: image!, layers };
}

/** One styled convolution: x `[n or 1, i, h, w]`, style `[n, i]` → `[n, o, h*up, w*up]`. */
function styledConv(
  p: Parameters,
  { limit }: Architecture,
  { name, inChannels, outChannels, up }: ConvLayer,
  x: Tensor,
  style: Tensor,
  noise: Tensor,
): Tensor {
  const { n } = dims(style, "n i");
  const w = reshape(p[`${name}.conv.weight`]!, [outChannels, inChannels, 3, 3]);
  // The weight's own scale, 1 / sqrt(fan in), goes with the style: fewer numbers to multiply.
  const s = mul(style, 1 / Math.sqrt(9 * inChannels));
  const modulated = mul(x, reshape(s, [n, inChannels, 1, 1]));
  const y = up ? upConv(modulated, w) : conv2d({ x: modulated, w }, { stride: 1, pad: 1 });

  // Σ over i, kh, kw of (s w)²: the squared norm of the modulated weight of each output channel.
  const energy = sum(square(w), [2, 3]); // [o, i]
  const norm2 = matmul({ a: square(s), b: energy }, { transposeB: true }); // [n, o]
  const demodulation = rsqrt(add(norm2, EPSILON));
  return modulatedLrelu({
    x: y,
    scale: reshape(demodulation, [n, outChannels, 1, 1]),
    noise,
    strength: p[`${name}.noise.weight`]!,
    bias: reshape(p[`${name}.activate.bias`]!, [outChannels, 1, 1]),
  }, { ...LRELU, limit: limit ?? Infinity });
}

/** Convolution at twice the resolution: x `[n, i, h, w]`, w `[o, i, 3, 3]` → `[n, o, 2h, 2w]`. */
function upConv(x: Tensor, w: Tensor): Tensor {
  // [n, i, h, w] -> [n, o, 2h+1, 2w+1] -> [n, o, 2h, 2w]
  const spread = convTranspose2d(
    { x, w: transpose(w, [1, 0, 2, 3]) },
    { stride: 2, pad: 0, outputPadding: [0, 0] },
  );
  return upfirdn2d({ x: spread, f: lowPass() }, { up: 1, down: 1, pad: [1, 1, 1, 1] });
}

/** x `[n, i, h, w]` to colours, added to the image of half the size: → `[n, 3, h, w]`. */
function toRgb(
  p: Parameters,
  { limit }: Architecture,
  { name, inChannels }: RgbLayer,
  x: Tensor,
  style: Tensor,
  smaller: Tensor | null,
): Tensor {
  const { n, h, w } = dims(x, "n i h w");
  // Three outputs only: a weight for each sample is small, and cheaper than to scale x.
  const weight = mul(
    reshape(p[`${name}.conv.weight`]!, [1, 3, inChannels]),
    reshape(mul(style, 1 / Math.sqrt(inChannels)), [n, 1, inChannels]),
  );
  const colours = matmul({ a: weight, b: reshape(x, [n, inChannels, h * w]) }, {});
  let y = add(reshape(colours, [n, 3, h, w]), p[`${name}.bias`]!);
  if (limit !== null) y = clampedLrelu({ x: y }, { slope: 1, gain: 1, limit });
  if (smaller === null) return y;
  return add(y, upfirdn2d({ x: smaller, f: lowPass() }, { up: 2, down: 1, pad: [2, 1, 2, 1] }));
}

const lowPass = () => constant(UPSAMPLING_KERNEL, [4, 4]);
