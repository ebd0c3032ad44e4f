/** The generators' convolutions and their two gradients. */
import { conv2d, convTranspose2d, convWeightGrad } from "../../lib/graph/ops/mod.ts";
import { type Shape, state, type Tensor } from "../../lib/graph/tensor.ts";
import type { Case } from "../case.ts";

export function convCases(large: boolean): Case[] {
  return [
    // The demo generator, and one layer for comparison with other machines.
    ...layer(4, 64, 64, 64),
    ...layer(4, 128, 128, 4),
    ...layer(4, 128, 128, 8),
    ...layer(4, 96, 96, 16),
    ...layer(4, 40, 40, 32),
    ...layer(4, 24, 24, 64),
    ...upLayer(4, 96, 40, 16),
    ...upLayer(4, 40, 24, 32),
    // The 1024x1024 generator.
    ...(large
      ? [
        ...layer(2, 512, 512, 32),
        ...layer(2, 512, 512, 64),
        ...layer(2, 256, 256, 128),
        ...layer(2, 128, 128, 256),
        ...layer(2, 64, 64, 512),
        ...layer(1, 32, 32, 1024),
        ...upLayer(2, 512, 256, 64),
      ]
      : []),
  ];
}

/** A 3x3 convolution; x `[batch, inputs, size, size]`. */
function layer(batch: number, inputs: number, outputs: number, size: number): Case[] {
  const shapes = {
    x: [batch, inputs, size, size],
    y: [batch, outputs, size, size],
    w: [outputs, inputs, 3, 3],
  };
  const name = `3x3 ${inputs} > ${outputs} at ${size}, batch ${batch}`;
  return three(name, shapes, { stride: 1, pad: 1 });
}

/** StyleGAN2's convolution to twice the size, the transpose of one at stride 2. */
function upLayer(batch: number, inputs: number, outputs: number, size: number): Case[] {
  const large = 2 * size + 1;
  const shapes = {
    x: [batch, outputs, large, large],
    y: [batch, inputs, size, size],
    w: [inputs, outputs, 3, 3],
  };
  return three(`3x3 up ${inputs} > ${outputs} from ${size}, batch ${batch}`, shapes, {
    stride: 2,
    pad: 0,
  });
}

/** y = conv2d(x, w) and what makes each of x and w from the other two. */
function three(
  name: string,
  shapes: Record<"x" | "y" | "w", Shape>,
  attrs: { stride: number; pad: number },
): Case[] {
  const [x, y, w] = [state("x", shapes.x), state("y", shapes.y), state("w", shapes.w)];
  const [rows, columns] = shapes.w.slice(2) as [number, number];
  const outs: Record<string, () => Tensor> = {
    forward: () => conv2d({ x, w }, attrs),
    input: () => convTranspose2d({ x: y, w }, { ...attrs, outputPadding: [0, 0] }),
    weight: () => convWeightGrad({ x, gy: y }, { ...attrs, kernel: [rows, columns] }),
  };
  return Object.entries(outs).map(([direction, out]) => ({
    name: `${name}: ${direction}`,
    program: () => ({ outputs: { out: out() } }),
    result: "out",
    clock: "device",
    peer: { kind: "conv", direction, ...attrs, weight: shapes.w },
  }));
}
