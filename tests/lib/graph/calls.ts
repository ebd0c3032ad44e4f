/** Calls of single ops, as tests of kernels list them. */
import { type AnyOp, registry } from "../../../lib/graph/op.ts";
import { type Shape, Tensor } from "../../../lib/graph/tensor.ts";

export interface Case {
  readonly op: string;
  readonly inputs: Record<string, Shape>;
  readonly attrs: Record<string, unknown>;
}

export type KernelOp = Extract<AnyOp, { kind: "kernel" }>;

/** An op that has kernels. */
export const kernelOp = (name: string): KernelOp => registry.get(name) as KernelOp;

/** A call of such an op, which need not be in the registry. */
export function callOf(
  op: KernelOp,
  inputs: Readonly<Record<string, Tensor>>,
  attrs: Case["attrs"],
): Tensor {
  return new Tensor(op.shape(inputs, attrs), "f32", { kind: "op", op, inputs, attrs });
}

/** Which operands of a product are transposed: "", "A", "B" or "AB". */
export function T(operands: string) {
  return { transposeA: operands.includes("A"), transposeB: operands.includes("B") };
}

export function conv(x: Shape, w: Shape, stride: number, pad: number): Case {
  return { op: "conv2d", inputs: { x, w }, attrs: { stride, pad } };
}

/** A transposed convolution. */
export function spread(x: Shape, w: Shape, stride: number, pad: number, extra: number): Case {
  const attrs = { stride, pad, outputPadding: [extra, extra] };
  return { op: "conv_transpose2d", inputs: { x, w }, attrs };
}

/** Summed over `lines` at a time, all of them when left out. */
export function weightGrad(
  x: Shape,
  gy: Shape,
  stride: number,
  pad: number,
  kernel: number[],
  lines: number = gy[0]! * gy[2]!,
): Case {
  return { op: "conv_weight_grad_parts", inputs: { x, gy }, attrs: { stride, pad, kernel, lines } };
}
