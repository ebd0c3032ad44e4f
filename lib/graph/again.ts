/** Values that are computed twice, to take less memory in between. */
import { Tensor } from "./tensor.ts";

/** Attributes of ops whose gradient can do without values that the forward pass has kept. */
export interface Recomputing {
  /** So many ops back, the gradient computes what it reads again. */
  readonly recompute?: number;
}

/**
 * The value of `x` from what lies `depth` ops behind it. Equal calls are otherwise one node, which
 * lives as long as the last of its readers needs it.
 */
export function again(x: Tensor, depth: number): Tensor {
  if (depth === 0 || x.source.kind !== "op") return x;
  const { op, inputs, attrs } = x.source;
  const remade = Object.entries(inputs).map(([name, value]) => [name, again(value, depth - 1)]);
  return new Tensor(x.shape, x.dtype, {
    kind: "op",
    op,
    inputs: Object.fromEntries(remade),
    attrs: { ...attrs, again: true },
  });
}
