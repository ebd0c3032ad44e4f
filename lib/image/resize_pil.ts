import type { RgbImage } from "./image.ts";

// PIL's arithmetic: weights are integers of 22 fractional bits, which leaves 8 bits for the pixel
// and 2 for sums that overshoot in a 32-bit integer; each pass ends in rounded, clamped bytes.
const PRECISION_BITS = 32 - 8 - 2;
const HALF = 1 << (PRECISION_BITS - 1);

/**
 * PIL's `image.resize((width, height), Image.BICUBIC)`, bit for bit: Keys' cubic with a = -0.5,
 * widened by the scale when shrinking, rows first and then columns, 8-bit pixels in between.
 */
export function resizeBicubic(image: RgbImage, width: number, height: number): RgbImage {
  let data = image.data.slice();
  if (width !== image.width) {
    const rows = { lines: image.height, fromLine: image.width * 3, toLine: width * 3, step: 3 };
    data = resample(data, makeTaps(image.width, width), rows);
  }
  if (height !== image.height) {
    const columns = { lines: width, fromLine: 3, toLine: 3, step: width * 3 };
    data = resample(data, makeTaps(image.height, height), columns);
  }
  return { width, height, channels: 3, data };
}

/** Where an output pixel's weights apply: input pixels `first` to `first + weights.length - 1`. */
interface Taps {
  first: number;
  weights: Int32Array;
}

function makeTaps(from: number, to: number): Taps[] {
  const scale = from / to;
  const widening = Math.max(scale, 1);
  const support = 2 * widening;
  return Array.from({ length: to }, (_, i) => {
    const center = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - support + 0.5));
    const end = Math.min(from, Math.trunc(center + support + 0.5));
    const weights = Array.from(
      { length: end - first },
      (_, k) => cubic((k + first - center + 0.5) * (1 / widening)),
    );
    const sum = weights.reduce((total, weight) => total + weight, 0);
    const fixed = weights.map((weight) => {
      const scaled = weight / sum * 2 ** PRECISION_BITS;
      return Math.trunc(scaled + (scaled < 0 ? -0.5 : 0.5));
    });
    return { first, weights: Int32Array.from(fixed) };
  });
}

/** Keys' interpolation kernel with a = -0.5, in the order of operations PIL rounds in. */
function cubic(x: number): number {
  const a = -0.5;
  const t = Math.abs(x);
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  if (t < 2) return (((t - 5) * t + 8) * t - 4) * a;
  return 0;
}

/** One pass along lines of pixels `step` bytes apart; lines begin at multiples of `*Line` bytes. */
function resample(
  data: Uint8Array,
  taps: readonly Taps[],
  { lines, fromLine, toLine, step }: Record<"lines" | "fromLine" | "toLine" | "step", number>,
): Uint8Array<ArrayBuffer> {
  const out = new Uint8ClampedArray(taps.length * lines * 3);
  taps.forEach(({ first, weights }, i) => {
    for (let line = 0; line < lines; line++) {
      let [r, g, b] = [HALF, HALF, HALF];
      let from = line * fromLine + first * step;
      for (const weight of weights) {
        r += data[from]! * weight;
        g += data[from + 1]! * weight;
        b += data[from + 2]! * weight;
        from += step;
      }
      const to = line * toLine + i * step;
      out[to] = r >> PRECISION_BITS;
      out[to + 1] = g >> PRECISION_BITS;
      out[to + 2] = b >> PRECISION_BITS;
    }
  });
  return new Uint8Array(out.buffer);
}

/** Mean and standard deviation of the pictures that CLIP was trained on, by channel, in [0, 1]. */
export const CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073];
export const CLIP_STD = [0.26862954, 0.26130258, 0.27577711];

/**
 * CLIP's own preprocessing of a picture, `[3, size, size]`: the shorter side to `size` by
 * `resizeBicubic`, the centre square, [0, 1], CLIP's mean and standard deviation.
 */
export function clipPreprocess(image: RgbImage, size: number): Float32Array {
  const shorter = Math.min(image.width, image.height);
  const { width, height, data } = resizeBicubic(
    image,
    Math.trunc(size * image.width / shorter),
    Math.trunc(size * image.height / shorter),
  );
  const left = roundHalfToEven((width - size) / 2);
  const top = roundHalfToEven((height - size) / 2);

  const out = new Float32Array(3 * size * size);
  for (let c = 0, i = 0; c < 3; c++) {
    const mean = Math.fround(CLIP_MEAN[c]!);
    const std = Math.fround(CLIP_STD[c]!);
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++, i++) {
        const value = Math.fround(data[((top + y) * width + left + x) * 3 + c]! / 255);
        out[i] = Math.fround(value - mean) / std;
      }
    }
  }
  return out;
}

/** Python's `round`, which torchvision's centre crop uses: 0.5 to 0, 1.5 to 2. */
function roundHalfToEven(x: number): number {
  const rounded = Math.round(x);
  return rounded - x === 0.5 && rounded % 2 === 1 ? rounded - 1 : rounded;
}
