/**
 * What pairs of pictures teach a CLIP: that the gradient of its score with respect to a picture
 * points to the true picture in the wanted style. A network that classifies perfectly can do without
 * this; adapting a generator cannot. It uses the world's known pairs, which a CLIP trained on
 * captioned pictures alone does not have.
 */
import { grad } from "../../../lib/graph/grad.ts";
import {
  type Band,
  mean,
  mul,
  resample,
  reshape,
  slice,
  sub,
  sum,
} from "../../../lib/graph/ops/mod.ts";
import { dims, type Tensor } from "../../../lib/graph/tensor.ts";
import { safeCosine } from "./cosine.ts";

/** Unit features of pictures. */
export type Encode = (pictures: Tensor) => Tensor;

export interface AlignmentTensors {
  /** `[n, 3, side, side]`: pictures, and the same scenes in the wanted style. */
  readonly pictures: Tensor;
  readonly truths: Tensor;
  /** Unit vectors `[n, d]`. */
  readonly directions: Tensor;
  /** The first so many pictures come in groups of that size, each of one style. */
  readonly groups: { readonly count: number; readonly size: number };
}

export interface Alignment {
  /** `[n]`, for each picture. */
  readonly whole: Tensor;
  readonly fine: Tensor;
  /** `[groups.count * groups.size]` */
  readonly own: Tensor;
  /** Of the score with respect to the pictures. */
  readonly gradient: Tensor;
}

/**
 * 1 - cos of the score's gradient and the true change: for pictures whole, for their details, and
 * for what sets the pictures of a group apart from each other, which is what keeps people
 * themselves. The score is the features' projection on the direction.
 */
export function alignment(
  encode: Encode,
  { pictures, truths, directions, groups }: AlignmentTensors,
): Alignment {
  const score = sum(mul(encode(pictures), directions));
  const gradient = grad(score, [pictures])[0]!;
  const change = sub(truths, pictures);
  const compared = (f: (x: Tensor) => Tensor) => sub(1, pictureCosine(f(gradient), f(change)));
  return {
    whole: compared((x) => x),
    fine: compared(details),
    own: compared((x) => apart(x, groups)),
    gradient,
  };
}

/** Groups of pictures without the mean of their group. */
function apart(x: Tensor, { count, size }: AlignmentTensors["groups"]): Tensor {
  const picture = x.shape.slice(1);
  const some = slice(x, x.shape.map(() => 0), [count * size, ...picture]);
  const grouped = reshape(some, [count, size, ...picture]);
  return reshape(sub(grouped, mean(grouped, [1], true)), some.shape);
}

/** What a blur over five pixels takes away. */
function details(x: Tensor): Tensor {
  const band = blurBand(x.shape[2]!);
  return sub(x, resample(resample(x, 2, band), 3, band));
}

const blurs = new Map<number, Band>();

/** The mean of five neighbours; beyond the border its pixel is repeated. */
function blurBand(side: number): Band {
  const known = blurs.get(side);
  if (known) return known;
  const rows = Array.from({ length: side }, (_, i) => {
    const start = Math.max(0, i - 2);
    const weights = new Array<number>(Math.min(side - 1, i + 2) - start + 1).fill(0);
    for (let k = i - 2; k <= i + 2; k++) {
      weights[Math.min(side - 1, Math.max(0, k)) - start]! += 0.2;
    }
    return { start, weights };
  });
  const band = {
    inputSize: side,
    start: rows.map(({ start }) => start),
    weights: rows.map(({ weights }) => weights),
  };
  blurs.set(side, band);
  return band;
}

/** Of whole pictures, `[n, c, h, w]` → `[n]`. */
function pictureCosine(a: Tensor, b: Tensor): Tensor {
  const { n, rest } = dims(a, "n ...rest");
  return safeCosine(reshape(a, [n, rest]), reshape(b, [n, rest]));
}
