/** What directions and cosines of features say about each sample. All features have length 1. */
import { dot } from "../vectors.ts";

type Features = readonly ArrayLike<number>[];

/**
 * Cosine, for each sample, between the way from its features before to those after and a unit
 * vector `[d]`: 1 where the image went exactly where the texts point. A sample that has not moved
 * agrees with nothing: 0.
 */
export function agreements(
  before: Features,
  after: Features,
  direction: ArrayLike<number>,
): number[] {
  return before.map((from, i) => {
    const moved = Float64Array.from(after[i]!, (value, k) => value - from[k]!);
    const length = Math.sqrt(dot(moved, moved));
    return length === 0 ? 0 : dot(moved, direction) / length;
  });
}

/** Cosine of each sample with one vector `[d]` of length 1. */
export function similarities(features: Features, to: ArrayLike<number>): number[] {
  return features.map((vector) => dot(vector, to));
}

/** Cosine of each sample's features before with those after: 1 where nothing has changed. */
export function contentKept(before: Features, after: Features): number[] {
  return before.map((vector, i) => dot(vector, after[i]!));
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function least(values: readonly number[]): number {
  return values.reduce((low, value) => Math.min(low, value), Infinity);
}
