/**
 * StyleGAN3's generator as graphs (Karras et al., "Alias-Free Generative Adversarial Networks",
 * 2021), numerically as in NVIDIA's PyTorch code.
 */
import {
  add,
  clampedLrelu,
  conv2d,
  filteredLrelu,
  matmul,
  mean,
  mul,
  reshape,
  rsqrt,
  scaleBias,
  slice,
  square,
  sum,
  transpose,
} from "../../lib/graph/ops/mod.ts";
import { dims, type Tensor } from "../../lib/graph/tensor.ts";
import type { Parameters, Synthesis } from "../generator/generator.ts";
import { EPSILON, linear, LRELU, mappingNetwork } from "../generator/mapping.ts";
import { type Architecture, type Layer, mappingNames } from "./architecture.ts";
import { fourierFeatures } from "./input.ts";

/** The mapping network: z `[n, zSize]` → w `[n, wSize]`. */
export function mapping(p: Parameters, a: Architecture, z: Tensor): Tensor {
  return mappingNetwork(p, mappingNames(a), z);
}

/** The synthesis network: w+ `[n, wCount, wSize]` → the image, and what every layer gave. */
export function synthesis(p: Parameters, a: Architecture, wPlus: Tensor): Synthesis {
  const { n } = dims(wPlus, "n l w");
  const row = (index: number) =>
    reshape(slice(wPlus, [0, index, 0], [n, 1, a.wSize]), [n, a.wSize]);

  let x = fourierFeatures(p, a, row(0));
  const layers: Record<string, Tensor> = { input: x };
  for (const layer of a.layers) {
    const build = layer === a.layers.at(-1) ? toRgb : filteredConv;
    x = build(p, layer, x, row(layer.index), a.limit ?? Infinity);
    layers[layer.name] = x;
  }
  return { image: mul(x, a.outputScale), layers };
}

/** Divides by the input's magnitude, a running mean of squares that training has kept. */
const inputGain = (p: Parameters, { name }: Layer) => rsqrt(p[`synthesis.${name}.magnitude_ema`]!);

/** One layer: x `[n, i, h, w]`, w `[n, wSize]` → `[n, o, outSize, outSize]`. */
function filteredConv(
  p: Parameters,
  layer: Layer,
  x: Tensor,
  w: Tensor,
  limit: number,
): Tensor {
  const { name, inChannels, outChannels, kernel, up, down, pad } = layer;
  const path = `synthesis.${name}`;
  const { n } = dims(w, "n w");
  const style = linear(p, `${path}.affine`, w); // [n, i]
  const weight = p[`${path}.weight`]!; // [o, i, k, k]
  const modulated = mul(x, reshape(mul(style, inputGain(p, layer)), [n, inChannels, 1, 1]));
  // The margin grows by what the kernel would otherwise take from it; the filters crop it again.
  const y = conv2d({ x: modulated, w: weight }, { stride: 1, pad: kernel - 1 });

  const biased = scaleBias({
    x: y,
    scale: reshape(demodulate(weight, style), [n, outChannels, 1, 1]),
    bias: reshape(p[`${path}.bias`]!, [outChannels, 1, 1]),
  }, {});
  return filteredLrelu(biased, {
    up: p[`${path}.up_filter`]!,
    down: p[`${path}.down_filter`]!,
  }, { ...LRELU, limit, up, down, pad });
}

/**
 * 1 over the norm of each output channel's modulated weight: weight `[o, i, k, k]`, style `[n, i]` →
 * `[n, o]`. The original first brings weight and styles to unit mean square. In the quotient that
 * cancels, but for the epsilon, which is scaled here in their place.
 */
function demodulate(weight: Tensor, style: Tensor): Tensor {
  const { kernel } = dims(weight, "o i kernel k");
  const energy = sum(square(weight), [2, 3]); // [o, i]
  const norm2 = matmul({ a: square(style), b: energy }, { transposeB: true }); // [n, o]
  const meanWeight = transpose(mean(energy, [1], true), [1, 0]); // [1, o], of kernel² weights each
  const meanStyle = mean(square(style), [1], true); // [n, 1]
  return rsqrt(add(norm2, mul(mul(meanStyle, meanWeight), EPSILON / kernel ** 2)));
}

/** The last layer: x `[n, i, h, w]`, w `[n, wSize]` → colours `[n, 3, h, w]`, not yet scaled. */
function toRgb(p: Parameters, layer: Layer, x: Tensor, w: Tensor, limit: number): Tensor {
  const { name, inChannels, outChannels } = layer;
  const { n, h, w: width } = dims(x, "n i h w");
  const style = mul(linear(p, `synthesis.${name}.affine`, w), 1 / Math.sqrt(inChannels));
  // Three outputs only: a weight for each sample is small, and cheaper than to scale x.
  const weight = mul(
    reshape(p[`synthesis.${name}.weight`]!, [1, outChannels, inChannels]),
    reshape(mul(style, inputGain(p, layer)), [n, 1, inChannels]),
  );
  const y = matmul({ a: weight, b: reshape(x, [n, inChannels, h * width]) }, {});
  const colours = add(
    reshape(y, [n, outChannels, h, width]),
    reshape(p[`synthesis.${name}.bias`]!, [outChannels, 1, 1]),
  );
  return clampedLrelu({ x: colours }, { slope: 1, gain: 1, limit });
}
