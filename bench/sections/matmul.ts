/** Matrix products of the models' shapes. */
import { matmul } from "../../lib/graph/ops/mod.ts";
import { state } from "../../lib/graph/tensor.ts";
import type { Case } from "../case.ts";

export function matmulCases(large: boolean): Case[] {
  return [
    product(1, 1024, 1024, 1024),
    product(1, 100, 768, 2304, true), // CLIP ViT-B/32, two images: attention
    product(1, 100, 3072, 768, true), // and its perceptron
    product(24, 50, 64, 50), // scores of its 12 heads
    product(1, 4, 512, 512, true), // StyleGAN2's mapping
    product(4, 3, 24, 64 * 64), // the demo's colours
    ...(large
      ? [
        product(1, 4096, 4096, 4096),
        product(1, 394, 768, 3072, true), // CLIP ViT-B/16, two images
        product(2, 3, 32, 1024 * 1024), // colours of a 1024x1024 image
      ]
      : []),
  ];
}

/** a `[batch, m, k]` by b `[batch, k, n]`, or by b `[n, k]` as weights are stored. */
function product(batch: number, m: number, k: number, n: number, weight = false): Case {
  const many = batch > 1 ? `${batch} * ` : "";
  const shapes = {
    a: batch > 1 ? [batch, m, k] : [m, k],
    b: weight ? [n, k] : batch > 1 ? [batch, k, n] : [k, n],
  };
  return {
    name: `${many}[${m}, ${k}] x [${k}, ${n}]${weight ? "ᵀ" : ""}`,
    program: () => {
      const [a, b] = [state("a", shapes.a), state("b", shapes.b)];
      return { outputs: { out: matmul({ a, b }, { transposeB: weight }) } };
    },
    result: "out",
    clock: "device",
    peer: { kind: "matmul", transposeB: weight },
  };
}
