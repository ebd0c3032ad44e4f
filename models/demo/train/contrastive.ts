/** What captions teach a CLIP. Features here are unit vectors. */
import {
  add,
  exp,
  log,
  matmul,
  mean,
  mul,
  neg,
  reshape,
  slice,
  softmax,
  sub,
  sum,
  transpose,
  unit,
} from "../../../lib/graph/ops/mod.ts";
import { dims, type Tensor } from "../../../lib/graph/tensor.ts";
import { safeCosine } from "./cosine.ts";

/**
 * Cross entropy of each picture over the texts and of each text over the pictures, their mean. A
 * picture may have several texts and the other way round: `ofText` and `ofPicture`
 * `[pictures, texts]` are the wanted distributions, along the rows and along the columns. Features
 * `[n, d]`, scale `[]` → `[]`.
 */
export function contrastiveLoss(
  pictures: Tensor,
  texts: Tensor,
  scale: Tensor,
  { ofText, ofPicture }: { ofText: Tensor; ofPicture: Tensor },
): Tensor {
  const logits = mul(matmul({ a: pictures, b: texts }, { transposeB: true }), scale);
  const entropy = (x: Tensor, wanted: Tensor) => neg(mean(sum(mul(logSoftmax(x), wanted), [1])));
  const flip = (x: Tensor) => transpose(x, [1, 0]);
  return mul(add(entropy(logits, ofText), entropy(flip(logits), flip(ofPicture))), 0.5);
}

/** Of the last axis. */
function logSoftmax(x: Tensor): Tensor {
  const total = (y: Tensor) => sum(y, [x.rank - 1], true);
  // The mean under the softmax is at most log n below the maximum: nothing can overflow or vanish.
  const shifted = sub(x, total(mul(softmax(x), x)));
  return sub(shifted, log(total(exp(shifted))));
}

/**
 * Unit vectors from the first style to each of the others, `[styles - 1, d]`, from features
 * `[styles * texts, d]` of the same sentences for each style.
 */
export function textDirections(features: Tensor, styles: number): Tensor {
  const { n, d } = dims(features, "n d");
  const each = mean(reshape(features, [styles, n / styles, d]), [1]);
  const others = slice(each, [1, 0], [styles - 1, d]);
  return unit(sub(others, slice(each, [0, 0], [1, d])));
}

/**
 * 1 - cos of the way from a scene's photo to its other pictures and of the text directions that are
 * wanted, the mean. Features `[scenes * each, d]`, wanted `[scenes * (each - 1), d]` → `[]`.
 */
export function directionLoss(pictures: Tensor, wanted: Tensor, each: number): Tensor {
  const { n, d } = dims(pictures, "n d");
  const grouped = reshape(pictures, [n / each, each, d]);
  const photos = slice(grouped, [0, 0, 0], [n / each, 1, d]);
  const others = slice(grouped, [0, 1, 0], [n / each, each - 1, d]);
  const edits = reshape(sub(others, photos), [n / each * (each - 1), d]);
  return sub(1, mean(safeCosine(edits, wanted)));
}
