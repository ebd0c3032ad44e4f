/**
 * What pairs of pictures teach a CLIP: that the gradient of its score with respect to a picture
 * points to the true picture in the wanted style. A network that classifies perfectly can do without
 * this; adapting a generator cannot. It uses the world's known pairs, which a CLIP trained on
 * captioned pictures alone does not have.
 */
import { grad } from "../../../lib/graph/grad.ts";
import {
  add,
  type Band,
  div,
  maximum,
  mean,
  mul,
  neg,
  randomNormal,
  resample,
  reshape,
  sqrt,
  square,
  sub,
  sum,
} from "../../../lib/graph/ops/mod.ts";
import { constant, dims, input, type Tensor } from "../../../lib/graph/tensor.ts";
import { resizeAndCrop } from "../../clip/preprocess.ts";
import { safeCosine } from "./cosine.ts";
import type { StepRandom } from "./random.ts";

/** Streams of random numbers; captioned pictures take stream 0. */
const STREAMS = { uneven: 1, smooth: 2, white: 3 };

/** Unit features of pictures. */
export type Encode = (pictures: Tensor) => Tensor;

export interface AlignmentTensors {
  /** `[n, 3, side, side]`: photos, and the same scenes in the wanted style. */
  readonly photos: Tensor;
  readonly truths: Tensor;
  /** Unit vectors `[n, d]`. */
  readonly directions: Tensor;
  /** u32 `[2]`, for the disturbances. */
  readonly key: Tensor;
}

/**
 * 1 - cos of the score's gradient and the true change, the mean, for pictures whole and for their
 * details. `encodeOrigin` gives the photos' features, through which nothing is trained.
 */
export function alignmentLosses(
  encode: Encode,
  encodeOrigin: Encode,
  { photos, truths, directions, key }: AlignmentTensors,
): Record<"whole" | "fine", Tensor> {
  const x = onTheWay(photos, truths, key);
  const features = encode(x);
  const plain = sum(mul(features, directions), [1]);
  const edit = sub(features, encodeOrigin(photos));
  // Equal pictures have no direction; their gradient is then that of the plain score.
  const length = sqrt(add(sum(square(edit), [1]), 1e-4));
  const directional = div(sum(mul(edit, directions), [1]), length);
  const usePlain = input("use plain", []);
  const score = add(mul(plain, usePlain), mul(directional, sub(1, usePlain)));
  const [gradient] = grad(sum(score), [x]);
  const change = sub(truths, x);
  const apart = (a: Tensor, b: Tensor) => sub(1, mean(pictureCosine(a, b)));
  return { whole: apart(gradient!, change), fine: apart(details(gradient!), details(change)) };
}

/** The random inputs of a batch of `n` pairs. */
export function alignmentInputs(random: StepRandom, n: number) {
  const each = (f: () => number, count = n) => Float32Array.from({ length: count }, f);
  const chance = (share: number) => random.uniform() < share ? 1 : 0;
  return {
    "use plain": Float32Array.of(chance(0.5)),
    share: each(() => 1.1 * random.uniform() * chance(0.7)),
    uneven: each(() => 0.4 * chance(0.4)),
    disturbance: each(() => 0.25 * random.uniform() ** 2),
    cast: joinedRows(n, () => {
      const level = 0.2 * chance(0.3);
      return [0, 1, 2].map(() => level * random.normal());
    }),
  };
}

function joinedRows(n: number, row: () => number[]): Float32Array<ArrayBuffer> {
  return Float32Array.from(Array.from({ length: n }, row).flat());
}

/** Pictures such as an adaptation meets: between photo and true picture, beyond, disturbed. */
function onTheWay(photos: Tensor, truths: Tensor, key: Tensor): Tensor {
  const { n, c, side } = dims(photos, "n c side columns");
  const smooth = (channels: number, cells: number, stream: number) => {
    const band = resizeAndCrop(cells, cells, side, "bicubic");
    const noise = randomNormal(key, [n, channels, cells, cells], stream);
    return band ? resample(resample(noise, 2, band), 3, band) : noise;
  };
  const of = (name: string) => input(name, [n, 1, 1, 1]);
  const uneven = mul(of("uneven"), smooth(1, 4, STREAMS.uneven));
  const share = clamp(add(of("share"), uneven), 0, 1.2);
  const noise = add(
    smooth(c, 8, STREAMS.smooth),
    mul(randomNormal(key, photos.shape, STREAMS.white), 0.5),
  );
  return [
    photos,
    mul(share, sub(truths, photos)),
    mul(of("disturbance"), noise),
    input("cast", [n, c, 1, 1]),
  ].reduce(add);
}

const clamp = (x: Tensor, low: number, high: number) =>
  neg(maximum(neg(maximum(x, constant(low))), constant(-high)));

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
