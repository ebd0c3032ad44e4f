/**
 * The networks of LPIPS (Zhang et al., "The Unreasonable Effectiveness of Deep Features as a
 * Perceptual Metric", 2018) as graphs: the feature maps that it compares, and the comparison.
 */
import {
  add,
  conv2d,
  div,
  maxPool2d,
  mul,
  relu,
  reshape,
  sqrt,
  square,
  sub,
  sum,
} from "../../lib/graph/ops/mod.ts";
import { dims, type Tensor } from "../../lib/graph/tensor.ts";

/** One convolution with its ReLU. */
export interface Layer {
  /** Its place in torchvision's `features`. */
  readonly index: number;
  readonly kernel: number;
  readonly stride: number;
  readonly pad: number;
  /** Pooling in front of it. */
  readonly pool: { readonly size: number; readonly stride: number } | null;
  /** Whether its output is compared. */
  readonly compared: boolean;
}

export const BACKBONES = ["alex", "vgg"] as const;
export type Backbone = typeof BACKBONES[number];

const alexPool = { size: 3, stride: 2 };
const vggPool = { size: 2, stride: 2 };

function alex(index: number, kernel: number, pool: Layer["pool"] = null, stride = 1): Layer {
  const pad = stride === 1 ? (kernel - 1) / 2 : 2;
  return { index, kernel, stride, pad, pool, compared: true };
}

function vgg(index: number, compared: boolean, pool: Layer["pool"] = null): Layer {
  return { index, kernel: 3, stride: 1, pad: 1, pool, compared };
}

/** AlexNet, and VGG with 16 layers, without their classifiers. */
export const LAYERS: Readonly<Record<Backbone, readonly Layer[]>> = {
  alex: [
    alex(0, 11, null, 4),
    alex(3, 5, alexPool),
    alex(6, 3, alexPool),
    alex(8, 3),
    alex(10, 3),
  ],
  vgg: [
    ...[vgg(0, false), vgg(2, true)],
    ...[vgg(5, false, vggPool), vgg(7, true)],
    ...[vgg(10, false, vggPool), vgg(12, false), vgg(14, true)],
    ...[vgg(17, false, vggPool), vgg(19, false), vgg(21, true)],
    ...[vgg(24, false, vggPool), vgg(26, false), vgg(28, true)],
  ],
};

/** The smallest square images that reach the last layer. */
export const MIN_SIDE: Readonly<Record<Backbone, number>> = { alex: 31, vgg: 16 };

/** Weights by name: "shift" and "scale" `[1, 3, 1, 1]`, "conv<index>.weight" and ".bias", "head<k>". */
export type Parameters = (name: string) => Tensor;

/** Mixed into lengths of features, so that 0 can be divided by them. */
const EPSILON = 1e-10;

/**
 * The feature maps `[n, c, h, w]` of images `[n, 3, r, r]` in [-1, 1] that are compared, the vector
 * at each pixel scaled to length 1.
 */
export function unitFeatures(p: Parameters, layers: readonly Layer[], images: Tensor): Tensor[] {
  let x = div(sub(images, p("shift")), p("scale"));
  const compared: Tensor[] = [];
  for (const { index, pool, stride, pad, ...layer } of layers) {
    const w = p(`conv${index}.weight`);
    const bias = reshape(p(`conv${index}.bias`), [w.shape[0]!, 1, 1]);
    x = relu(add(conv2d({ x: pool ? maxPool2d(x, pool) : x, w }, { stride, pad }), bias));
    if (layer.compared) compared.push(div(x, add(sqrt(sum(square(x), [1], true)), EPSILON)));
  }
  return compared;
}

/**
 * LPIPS of every pair `[n, m]`: for each layer the mean over pixels of the squared differences of
 * unit features, weighted by the layer's head `[c]`, summed over channels; summed over layers.
 */
export function pairDistances(
  p: Parameters,
  left: readonly Tensor[],
  right: readonly Tensor[],
): Tensor {
  return left.map((features, k) => {
    const { n, c, h, w } = dims(features, "n c h w");
    const m = right[k]!.shape[0]!;
    const a = reshape(features, [n, 1, c, h * w]);
    const b = reshape(right[k]!, [1, m, c, h * w]);
    const weighed = mul(square(sub(a, b)), reshape(p(`head${k}`), [c, 1]));
    return mul(sum(weighed, [2, 3]), 1 / (h * w));
  }).reduce((total, distances) => add(total, distances));
}
