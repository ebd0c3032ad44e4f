/** A control: photos in the tone of a style, which must not pass for the style. */
import type { Picture } from "../world/mod.ts";
import { eigen, type Matrix, moments } from "./matrix.ts";

/**
 * - "tinted": each colour channel gets the mean and the deviation that it has in `target`.
 * - "recoloured": the three channels together get its mean and covariance, thus its saturation too.
 */
export type Tone = "tinted" | "recoloured";

/** `photos` in the tone of `target`; values stay from 0 to 1. */
export function inToneOf(
  photos: readonly Picture[],
  target: readonly Picture[],
  kind: Tone,
): Picture[] {
  const [from, to] = [photos, target].map((pictures) => moments(pixels(pictures)));
  const matrix = kind === "tinted"
    ? diagonal(from!.covariance, to!.covariance)
    : product(power(to!.covariance, 0.5), power(from!.covariance, -0.5));
  return photos.map(({ size, data }) => {
    const plane = size * size;
    const out = new Float32Array(data.length);
    for (let i = 0; i < plane; i++) {
      for (let c = 0; c < 3; c++) {
        let value = to!.mean[c]!;
        for (let k = 0; k < 3; k++) {
          value += matrix[3 * c + k]! * (data[k * plane + i]! - from!.mean[k]!);
        }
        out[c * plane + i] = Math.min(1, Math.max(0, value));
      }
    }
    return { size, data: out };
  });
}

/** The colour of every seventh pixel, `[3]` each: enough to know the tone by. */
function pixels(pictures: readonly Picture[]): Float64Array[] {
  return pictures.flatMap(({ size, data }) => {
    const plane = size * size;
    return Array.from(
      { length: Math.floor(plane / 7) },
      (_, i) => Float64Array.of(data[7 * i]!, data[plane + 7 * i]!, data[2 * plane + 7 * i]!),
    );
  });
}

function diagonal(from: Matrix, to: Matrix): Matrix {
  const out = new Float64Array(9);
  for (const i of [0, 4, 8]) out[i] = Math.sqrt(to[i]! / from[i]!);
  return out;
}

/** A power of a covariance of colours `[3, 3]`. */
function power(covariance: Matrix, exponent: number): Matrix {
  const { values, vectors } = eigen(covariance, 3);
  const scaled = vectors.map((value, i) => value * Math.max(1e-9, values[i % 3]!) ** exponent);
  return product(scaled, vectors.map((_, i) => vectors[3 * (i % 3) + Math.floor(i / 3)]!));
}

function product(a: Matrix, b: Matrix): Matrix {
  return a.map((_, i) => {
    const [row, column] = [Math.floor(i / 3), i % 3];
    return [0, 1, 2].reduce((sum, k) => sum + a[3 * row + k]! * b[3 * k + column]!, 0);
  });
}
