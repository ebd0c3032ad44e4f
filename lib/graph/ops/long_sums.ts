/** Matrix products of few elements, whose long sums would be left to a few workgroups. */
import type { Call } from "../split.ts";
import { numel, type Tensor } from "../tensor.ts";
import { convWeightGradParts, worthwhileParts } from "./conv.ts";
import { matmul, type MatmulAttrs } from "./matmul.ts";
import { divisorNear, sum } from "./reduce.ts";
import { reshape } from "./shape.ts";

/** Cutting a sum into fewer parts saves less time than the launch that adds them takes. */
const FEWEST_PARTS = 4;

/**
 * `matmul` on GPUs, in parts that are added in the end, where a product would fill little of one: the
 * gradient of the styles of a colour layer has 3 rows, and a sum over every pixel. Both factors have
 * to lie along the sum. Null for any other call.
 */
export function inShorterSums({ op, inputs, attrs }: Call): Tensor | null {
  if (op !== matmul.spec) return null;
  const { a, b } = inputs as Record<"a" | "b", Tensor>;
  const { transposeA, transposeB } = attrs as MatmulAttrs;
  if (transposeA || !transposeB || a.rank !== b.rank) return null;
  const { products, M, N, K } = sizesOf(a, b);
  const blocks = products * Math.ceil(M / 32) * Math.ceil(N / 32);
  const parts = divisorNear(K, worthwhileParts({ blocks, pixels: K, adapter: "gpu" }));
  return parts < FEWEST_PARTS ? null : matmulInParts({ a, b }, parts);
}

/** a `[..., m, k]` x b `[..., n, k]` transposed → `[..., m, n]`, the sum over k in so many parts. */
export function matmulInParts({ a, b }: Record<"a" | "b", Tensor>, parts: number): Tensor {
  const { batch, products, M, N, K } = sizesOf(a, b);
  // Each product is the gradient of a 1x1 weight, for an image with a line for each part.
  const image = (x: Tensor, channels: number) => reshape(x, [products, channels, parts, K / parts]);
  const each = convWeightGradParts(
    { x: image(b, N), gy: image(a, M) },
    { stride: 1, pad: 0, kernel: [1, 1], lines: 1 },
  );
  return reshape(sum(reshape(each, [products, parts, M * N]), [1]), [...batch, M, N]);
}

function sizesOf(a: Tensor, b: Tensor) {
  const batch = a.shape.slice(0, -2);
  const [M, K] = a.shape.slice(-2) as [number, number];
  return { batch, products: numel(batch), M, N: b.shape.at(-2)!, K };
}
