/** CLIP's vision transformer. */
import { add, concat, expand, matmul, reshape, slice, transpose } from "../../lib/graph/ops/mod.ts";
import { dims, type Tensor } from "../../lib/graph/tensor.ts";
import type { ImageArchitecture } from "./architecture.ts";
import { layerNorm, type Parameters, transformer } from "./transformer.ts";

/** What the image tower computes on the way; what nobody reads is never run. */
export interface ImageStages {
  /** Class token and patches before the first block, normalised. `[n, 1 + patches, w]` */
  readonly embedded: Tensor;
  /** After each block. `[n, 1 + patches, w]` */
  readonly blocks: readonly Tensor[];
  /** `[n, features]`, not of unit length. */
  readonly features: Tensor;
}

/** Features of images. Pixels `[n, 3, s, s]` as `preprocess` makes them → `[n, features]`. */
export function encodeImage(p: Parameters, arch: ImageArchitecture, pixels: Tensor): Tensor {
  return imageStages(p, arch, pixels).features;
}

/** As `encodeImage`, with what it computes on the way. */
export function imageStages(p: Parameters, arch: ImageArchitecture, pixels: Tensor): ImageStages {
  const { n, w } = { n: pixels.shape[0]!, w: arch.width };
  const tokens = concat([
    expand(reshape(p("class"), [1, 1, w]), [n, 1, w]),
    embedPatches(p("patch"), pixels),
  ], 1);
  const embedded = layerNorm(p, "norm_pre", add(tokens, p("position")), arch.epsilon);
  const blocks = transformer(p, arch, embedded, null);
  const classToken = reshape(slice(blocks.at(-1)!, [0, 0, 0], [n, 1, w]), [n, w]);
  const normed = layerNorm(p, "norm_post", classToken, arch.epsilon);
  return { embedded, blocks, features: matmul({ a: normed, b: p("projection") }, {}) };
}

/** A convolution whose stride is its size: pixels `[n, 3, s, s]`, w `[w, 3, p, p]` → `[n, s²/p², w]`. */
function embedPatches(weight: Tensor, pixels: Tensor): Tensor {
  const { n, s } = dims(pixels, "n channels s columns");
  const { w, p } = dims(weight, "w channels p columns");
  const side = s / p;
  const cut = reshape(pixels, [n, 3, side, p, side, p]);
  const rows = reshape(transpose(cut, [0, 2, 4, 1, 3, 5]), [n, side * side, 3 * p * p]);
  return matmul({ a: rows, b: reshape(weight, [w, 3 * p * p]) }, { transposeB: true });
}
