/**
 * How precisely a program computes. In "f16" what is large on the way, feature maps and their
 * cotangents, lies in memory in half precision, which takes half of the traffic and of the room;
 * loaders make f32 of it, and everything is computed and summed in f32, but for the products within
 * large matrix products and convolutions on GPUs (kernels/common/half.wgsl). States (weights,
 * moments), inputs, results, gradients of weights and whatever is small are f32 in any case.
 */
import { type Launch, resultsOf } from "./fuse.ts";
import { type Dtype, numel, type Tensor } from "./tensor.ts";

export const PRECISIONS = ["f32", "f16"] as const;
export type Precision = typeof PRECISIONS[number];

/** How the elements of a tensor lie in memory. */
export type Stored = Dtype | "f16";

/** What a program is to store in half precision. */
export interface Storing {
  /** "f32" when left out. */
  readonly precision?: Precision;
  /** Tensors of fewer elements stay f32; 2^14 when left out. */
  readonly halvedFrom?: number;
}

/** 32 KiB: less makes no difference to traffic, and styles, features and losses are below it. */
export const HALVED_FROM = 2 ** 14;

/** How each tensor is stored; `kept` are those that a program gives out or updates with. */
export function storageOf(
  launches: readonly Launch[],
  kept: ReadonlySet<Tensor>,
  { precision = "f32", halvedFrom = HALVED_FROM }: Storing,
): (tensor: Tensor) => Stored {
  if (precision === "f32") return ({ dtype }) => dtype;
  const coarse = launches.filter(({ kernel }) => !isPrecise(kernel)).flatMap(resultsOf);
  const halved = new Set(
    coarse.filter((made) => !kept.has(made) && numel(made.shape) >= halvedFrom),
  );
  return (tensor) => halved.has(tensor) ? "f16" : tensor.dtype;
}

const isPrecise = (kernel: Tensor | null) =>
  kernel?.source.kind === "op" && kernel.source.op.kind === "kernel" &&
  kernel.source.op.precise === true;

export const bytesPerElement = (stored: Stored): number => stored === "f16" ? 2 : 4;

/** Bytes that the elements of a tensor take; bindings have to be of whole words. */
export const bytesOf = ({ shape }: Tensor, stored: Stored): number =>
  4 * Math.ceil(bytesPerElement(stored) * numel(shape) / 4);
