/** Feature vectors on the host, in float64. */

/** The vector at length 1; NaN throughout where it is 0. */
export function unitVector(vector: ArrayLike<number>): Float32Array<ArrayBuffer> {
  return Float32Array.from(normalised(vector));
}

/** The mean of the vectors' directions: of each at length 1. */
export function meanDirection(vectors: readonly ArrayLike<number>[]): Float64Array {
  const sum = new Float64Array(vectors[0]!.length);
  for (const vector of vectors) normalised(vector).forEach((value, k) => sum[k]! += value);
  return sum.map((value) => value / vectors.length);
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!;
  return sum;
}

function normalised(vector: ArrayLike<number>): Float64Array {
  const values = Float64Array.from(vector);
  const length = Math.hypot(...values);
  return values.map((value) => value / length);
}
