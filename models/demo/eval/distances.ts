/** What sets of pictures say about each other by their pixels. */
import type { Picture } from "../world/mod.ts";

/** Pictures among which the own true one is to be the nearest. */
export const RIVALS = 64;

/**
 * Share of the pictures, from 0 to 1, whose own true picture is nearer than those of the others in
 * its group of 64, after the group's means are taken away: what differs from picture to picture
 * counts, and not what all have in common. The last group may be smaller.
 */
export function contentShare(pictures: readonly Picture[], truth: readonly Picture[]): number {
  let hits = 0;
  for (let start = 0; start < pictures.length; start += RIVALS) {
    const own = centred(pictures.slice(start, start + RIVALS));
    const wanted = centred(truth.slice(start, start + RIVALS));
    own.forEach((picture, i) => {
      const distances = wanted.map((other) => squaredDistance(picture, other));
      if (distances.indexOf(Math.min(...distances)) === i) hits++;
    });
  }
  return hits / pictures.length;
}

/** Mean distance of two of the pictures, in values from 0 to 1. */
export function spread(pictures: readonly Picture[]): number {
  let sum = 0;
  pictures.forEach(({ data }, i) => {
    for (const other of pictures.slice(0, i)) sum += Math.sqrt(squaredDistance(data, other.data));
  });
  return sum / (pictures.length * (pictures.length - 1) / 2);
}

function centred(pictures: readonly Picture[]): Float32Array[] {
  const mean = new Float64Array(pictures[0]!.data.length);
  for (const { data } of pictures) {
    for (let i = 0; i < mean.length; i++) mean[i]! += data[i]! / pictures.length;
  }
  return pictures.map(({ data }) => data.map((value, i) => value - mean[i]!));
}

function squaredDistance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return sum;
}
