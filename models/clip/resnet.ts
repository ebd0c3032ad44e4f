/** CLIP's residual network: three convolutions as a stem, blurred strides, pooling by attention. */
import {
  add,
  concat,
  conv2d,
  matmul,
  mean,
  mul,
  relu,
  reshape,
  slice,
  softmax,
  transpose,
} from "../../lib/graph/ops/mod.ts";
import { dims, type Tensor } from "../../lib/graph/tensor.ts";
import type { ResNetArchitecture } from "./architecture.ts";
import type { ImageStages } from "./image.ts";
import { linear, type Parameters } from "./transformer.ts";

/**
 * Pixels `[n, 3, s, s]`. The stem's result is `[n, w, s/4, s/4]`, those of the four layers are
 * `[n, 4w, s/4, s/4]`, `[n, 8w, s/8, s/8]` … `[n, 32w, s/32, s/32]`.
 */
export function resnetStages(p: Parameters, arch: ResNetArchitecture, pixels: Tensor): ImageStages {
  let x = relu(conv(p, "stem.0", pixels, 2)); // [n, w/2, s/2, s/2]
  x = relu(conv(p, "stem.1", x));
  x = relu(conv(p, "stem.2", x)); // [n, w, s/2, s/2]
  const stem = halve(x);

  x = stem;
  const layers = arch.layers.map((blocks, layer) => {
    for (let i = 0; i < blocks; i++) {
      const block: Parameters = (name) => p(`layers.${layer}.${i}.${name}`);
      x = bottleneck(block, x, { first: i === 0, halved: i === 0 && layer > 0 });
    }
    return x;
  });
  return { stem, layers, features: attentionPool(p, arch, x) };
}

/** x `[n, i, h, w]` → `[n, 4c, h, w]`, or half of h and w. The first block of a layer widens x. */
function bottleneck(
  p: Parameters,
  x: Tensor,
  { first, halved }: { first: boolean; halved: boolean },
): Tensor {
  // Averaging stands where other residual networks have a stride, which would skip pixels.
  const resized = (t: Tensor) => halved ? halve(t) : t;
  let y = relu(conv(p, "reduce", x)); // [n, c, h, w]
  y = resized(relu(conv(p, "middle", y)));
  y = conv(p, "expand", y); // [n, 4c, …]
  return relu(add(y, first ? conv(p, "shortcut", resized(x)) : x));
}

/** A convolution that keeps the size at stride 1, with the batch norm that follows it. */
function conv(p: Parameters, name: string, x: Tensor, stride = 1): Tensor {
  const w = p(`${name}.weight`);
  const { o, size } = dims(w, "o i size columns");
  const y = conv2d({ x, w }, { stride, pad: (size - 1) / 2 });
  return add(y, reshape(p(`${name}.bias`), [o, 1, 1]));
}

/** Means of 2x2 pixels. Slices and sums fuse to one pass over x, and their gradients over that. */
function halve(x: Tensor): Tensor {
  const { n, c, h, w } = dims(x, "n c h w");
  const rows = n * c * h / 2;
  const pairs = reshape(x, [rows, 2, w / 2, 2]);
  const pixel = (i: number, j: number) => slice(pairs, [0, i, 0, j], [rows, 1, w / 2, 1]);
  const total = add(add(pixel(0, 0), pixel(0, 1)), add(pixel(1, 0), pixel(1, 1)));
  return reshape(mul(total, 0.25), [n, c, h / 2, w / 2]);
}

/**
 * Attention of the mean of all pixels, as the only query, to itself and them. x `[n, c, h, w]` →
 * `[n, features]`.
 *
 * With one query it is far cheaper to take the weights of keys and values to the query and to the
 * result than to every token: `(Wk x)·q = x·(Wkᵀ q)`, and `Σ a (Wv x + b) = Wv (Σ a x) + b` as the
 * attention a sums to 1. The bias of keys would add the same to all scores, which softmax ignores.
 */
function attentionPool(p: Parameters, { heads }: ResNetArchitecture, x: Tensor): Tensor {
  const { n, c, h, w } = dims(x, "n c h w");
  const perHead = [heads, c / heads, c];
  const pixels = transpose(reshape(x, [n, c, h * w]), [0, 2, 1]);
  const all = concat([reshape(mean(x, [2, 3]), [n, 1, c]), pixels], 1);
  const tokens = add(all, p("pool.position")); // [n, 1 + hw, c]

  const first = reshape(slice(tokens, [0, 0, 0], [n, 1, c]), [n, c]);
  const q = reshape(mul(linear(p, "pool.q", first), Math.sqrt(heads / c)), [n, heads, c / heads]);
  const wk = reshape(p("pool.k.weight"), perHead);
  const asked = swap(matmul({ a: swap(q), b: wk }, {})); // [n, heads, c]
  const scores = matmul({ a: asked, b: tokens }, { transposeB: true }); // [n, heads, 1 + hw]
  const seen = matmul({ a: softmax(scores), b: tokens }, {}); // [n, heads, c]
  const wv = reshape(p("pool.v.weight"), perHead);
  const values = swap(matmul({ a: swap(seen), b: wv }, { transposeB: true }));
  return linear(p, "pool.out", add(reshape(values, [n, c]), p("pool.v.bias")));
}

/** Exchanges the first two of three axes. */
const swap = (x: Tensor) => transpose(x, [1, 0, 2]);
