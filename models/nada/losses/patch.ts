/** The directional loss of random patches, each against the parts that a text may speak of. */
import { crop, matmul, mean, mul, softmax, sub } from "../../../lib/graph/ops/mod.ts";
import { constant, dims, type Tensor } from "../../../lib/graph/tensor.ts";
import { editDirection } from "./directional.ts";

/** Fifteen ways to say that a picture shows a part of something. */
export const PART_TEMPLATES: readonly string[] = [
  "the upper part of a {}.",
  "the lower part of the {}.",
  "the left half of a {}.",
  "the right half of the {}.",
  "the centre of a {}.",
  "the edge of the {}.",
  "one corner of a {}.",
  "a piece of the {}.",
  "a magnified {}.",
  "a detail of the {}.",
  "what covers a {}.",
  "the texture of the {}.",
  "the outline of a {}.",
  "the colours of the {}.",
  "the shading of a {}.",
];

/** Side of a patch for images of a height and width: 510 pixels of 1024, and an even number. */
export function patchSize(height: number, width: number): number {
  return 2 * Math.round(510 / 1024 / 2 * Math.min(height, width));
}

/** Patches `[n * k, 3, size, size]` of images `[n, 3, h, w]`; corners u32 `[n * k, 2]` as in `crop`. */
export function patches(images: Tensor, corners: Tensor): Tensor {
  const { h, w } = dims(images, "n c h w");
  const size = patchSize(h, w);
  return crop({ x: images, corners }, { size: [size, size] });
}

/**
 * `1 - cos` of each patch's edit and each part's direction, weighted by a softmax over the parts of
 * these cosines; mean over both. Features of the patches `[m, d]`, directions one unit vector a part
 * → `[]`.
 */
export function patchLoss(
  frozen: Tensor,
  adapted: Tensor,
  directions: readonly Float32Array[],
): Tensor {
  const d = directions[0]!.length;
  const rows = new Float32Array(directions.length * d);
  directions.forEach((direction, i) => rows.set(direction, i * d));
  const parts = constant(rows, [directions.length, d]);
  const edit = editDirection(frozen, adapted);
  const cosines = matmul({ a: edit, b: parts }, { transposeB: true }); // [m, parts]
  return mean(mul(sub(1, cosines), softmax(cosines)));
}
