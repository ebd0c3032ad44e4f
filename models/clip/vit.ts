/** CLIP's vision transformer. */
import { add, concat, expand, matmul, reshape, slice, transpose } from "../../lib/graph/ops/mod.ts";
import { dims, type Tensor } from "../../lib/graph/tensor.ts";
import type { VitArchitecture } from "./architecture.ts";
import type { ImageStages } from "./image.ts";
import { block, layerNorm, type Parameters, transformer } from "./transformer.ts";

/**
 * Pixels `[n, 3, s, s]`. The stem is class token and patches before the first block, normalised,
 * `[n, 1 + patches, w]`; the layers are the blocks, of the same shape.
 */
export function vitStages(p: Parameters, arch: VitArchitecture, pixels: Tensor): ImageStages {
  const { n, w } = { n: pixels.shape[0]!, w: arch.width };
  const tokens = concat([
    expand(reshape(p("class"), [1, 1, w]), [n, 1, w]),
    embedPatches(p("patch"), pixels),
  ], 1);
  const stem = layerNorm(p, "norm_pre", add(tokens, p("position")), arch.epsilon);
  const layers = transformer(p, arch, stem, null);
  const last = arch.blocks - 1;
  const classToken = (x: Tensor) => reshape(slice(x, [0, 0, 0], [n, 1, w]), [n, w]);
  const image = block(p, arch, last, layers[last - 1] ?? stem, null, classToken);
  const normed = layerNorm(p, "norm_post", image, arch.epsilon);
  return { stem, layers, features: matmul({ a: normed, b: p("projection") }, {}) };
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
