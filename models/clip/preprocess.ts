/** From a generator's image to what CLIP's image tower reads, as linear and differentiable steps. */
import { ShapeError } from "../../lib/errors.ts";
import { add, type Band, mul, resample } from "../../lib/graph/ops/mod.ts";
import { constant, dims, type Tensor } from "../../lib/graph/tensor.ts";
import { CLIP_MEAN, CLIP_STD } from "../../lib/image/resize_pil.ts";

/**
 * How images are resized. "bicubic" is PyTorch's plain one, which was torchvision's only way for
 * tensors when StyleGAN-NADA was made; it skips pixels when shrinking by more than 4.
 * "bicubic-antialias" widens its support when shrinking, as PIL does.
 */
export type ResizeVariant = "bicubic" | "bicubic-antialias";

/**
 * Image `[n, 3, h, w]` in [-1, 1] → pixel values `[n, 3, size, size]`: the shorter side resized to
 * `size`, the centre square, [0, 1], normalised. Overshoots of the cubic are kept.
 */
export function preprocess(image: Tensor, size: number, variant: ResizeVariant): Tensor {
  const { channels, h, w } = dims(image, "n channels h w");
  if (channels !== 3) {
    throw new ShapeError(`Cannot preprocess images of shape [${image.shape}]: need [n, 3, h, w]`);
  }
  let x = image;
  [h, w].forEach((length, i) => {
    const band = resizeAndCrop(length, Math.min(h, w), size, variant);
    if (band) x = resample(x, 2 + i, band);
  });
  // Every row of a band sums to 1, so (x + 1) / 2 may follow it and joins the normalisation.
  const scale = Float32Array.from(CLIP_STD, (deviation) => 0.5 / deviation);
  const shift = Float32Array.from(CLIP_STD, (deviation, c) => (0.5 - CLIP_MEAN[c]!) / deviation);
  return add(mul(x, constant(scale, [3, 1, 1])), constant(shift, [3, 1, 1]));
}

/**
 * The band that resizes a side of `length` as the `shorter` side goes to `size`, and keeps the
 * centre; null where that changes nothing.
 */
export function resizeAndCrop(
  length: number,
  shorter: number,
  size: number,
  variant: ResizeVariant,
): Band | null {
  if (length === size && shorter === size) return null;
  const resized = length === shorter ? size : Math.trunc(size * length / shorter);
  const first = roundHalfToEven((resized - size) / 2);
  const rows = Array.from({ length: size }, (_, i) => ROW[variant](first + i, length, resized));
  return {
    inputSize: length,
    start: rows.map(({ start }) => start),
    weights: rows.map(({ weights }) => weights),
  };
}

interface Row {
  start: number;
  weights: number[];
}

/** What pixel `i` of `to` is made of, when `from` pixels are resized. */
const ROW: Record<ResizeVariant, (i: number, from: number, to: number) => Row> = {
  "bicubic"(i, from, to) {
    const center = (i + 0.5) * from / to - 0.5;
    const nearest = Math.floor(center);
    const inside = (pixel: number) => Math.min(from - 1, Math.max(0, pixel));
    const start = inside(nearest - 1);
    const weights = new Array<number>(inside(nearest + 2) - start + 1).fill(0);
    // Beyond the border the border's pixel is repeated, so its weights add up.
    for (let pixel = nearest - 1; pixel <= nearest + 2; pixel++) {
      weights[inside(pixel) - start]! += cubic(pixel - center, -0.75);
    }
    return { start, weights };
  },

  "bicubic-antialias"(i, from, to) {
    const scale = from / to;
    const widening = Math.max(scale, 1);
    const center = (i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - 2 * widening + 0.5));
    const end = Math.min(from, Math.trunc(center + 2 * widening + 0.5));
    const raw = Array.from(
      { length: end - start },
      (_, k) => cubic((start + k + 0.5 - center) / widening, -0.5),
    );
    const total = raw.reduce((sum, weight) => sum + weight, 0);
    return { start, weights: raw.map((weight) => weight / total) };
  },
};

/** Keys' interpolation kernel: 1 at 0, 0 at the other whole numbers and from 2 on. */
function cubic(x: number, a: number): number {
  const t = Math.abs(x);
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0;
}

/** Python's `round`, which torchvision's centre crop uses: 0.5 to 0, 1.5 to 2. */
function roundHalfToEven(x: number): number {
  const rounded = Math.round(x);
  return rounded - x === 0.5 && rounded % 2 === 1 ? rounded - 1 : rounded;
}
