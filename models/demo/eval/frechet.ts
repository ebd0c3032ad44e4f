/** The Fréchet distance of two sets of vectors, each taken for a Gaussian. */
import { eigen, type Matrix, moments } from "./matrix.ts";

/** `|m - n|² + tr(A + B - 2 (A B)^½)` for means m, n and covariances A, B. */
export function frechetDistance(
  one: readonly Float64Array[],
  other: readonly Float64Array[],
): number {
  const a = moments(one);
  const b = moments(other);
  const n = a.mean.length;
  const apart = a.mean.reduce((sum, value, i) => sum + (value - b.mean[i]!) ** 2, 0);
  // (A B)^½ has the trace of (A^½ B A^½)^½, which is symmetric.
  const root = squareRoot(a.covariance, n);
  const { values } = eigen(product(product(root, b.covariance, n), root, n), n);
  const shared = values.reduce((sum, value) => sum + Math.sqrt(Math.max(0, value)), 0);
  return Math.max(0, apart + trace(a.covariance, n) + trace(b.covariance, n) - 2 * shared);
}

function squareRoot(symmetric: Matrix, n: number): Matrix {
  const { values, vectors } = eigen(symmetric, n);
  const scaled = vectors.map((value, i) => value * Math.sqrt(Math.max(0, values[i % n]!)));
  return product(scaled, transposed(vectors, n), n);
}

function product(a: Matrix, b: Matrix, n: number): Matrix {
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < n; k++) {
      const factor = a[i * n + k]!;
      for (let j = 0; j < n; j++) out[i * n + j]! += factor * b[k * n + j]!;
    }
  }
  return out;
}

function transposed(a: Matrix, n: number): Matrix {
  return a.map((_, i) => a[(i % n) * n + Math.floor(i / n)]!);
}

function trace(a: Matrix, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += a[i * n + i]!;
  return sum;
}
