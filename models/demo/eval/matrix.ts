/** Symmetric matrices `[n, n]`, row by row: what Gaussians and linear classifiers need of them. */

export type Matrix = Float64Array;

/** Mean `[n]` and covariance `[n, n]` of vectors of one length. */
export function moments(
  rows: readonly Float64Array[],
): { mean: Float64Array; covariance: Matrix } {
  const n = rows[0]!.length;
  const mean = new Float64Array(n);
  for (const row of rows) row.forEach((value, i) => mean[i]! += value / rows.length);
  const covariance = new Float64Array(n * n);
  for (const row of rows) {
    for (let i = 0; i < n; i++) {
      const own = (row[i]! - mean[i]!) / rows.length;
      for (let j = 0; j <= i; j++) covariance[i * n + j]! += own * (row[j]! - mean[j]!);
    }
  }
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) covariance[j * n + i] = covariance[i * n + j]!;
  }
  return { mean, covariance };
}

/** x with A x = b, for a positive definite A, by Cholesky's factors. */
export function solve(a: Matrix, b: Float64Array): Float64Array {
  const n = b.length;
  const lower = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= lower[i * n + k]! * lower[j * n + k]!;
      lower[i * n + j] = i === j ? Math.sqrt(sum) : sum / lower[j * n + j]!;
    }
  }
  const x = b.slice();
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i]! -= lower[i * n + k]! * x[k]!;
    x[i]! /= lower[i * n + i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i]! -= lower[k * n + i]! * x[k]!;
    x[i]! /= lower[i * n + i]!;
  }
  return x;
}

/** Eigenvalues `[n]` and their vectors, the columns of `[n, n]`, by Jacobi's rotations. */
export function eigen(symmetric: Matrix, n: number): { values: Float64Array; vectors: Matrix } {
  const a = symmetric.slice();
  const vectors = new Float64Array(n * n);
  for (let i = 0; i < n; i++) vectors[i * n + i] = 1;
  const total = a.reduce((sum, value) => sum + value * value, 0);
  for (let sweep = 0; sweep < 50 && outside(a, n) > 1e-22 * total; sweep++) {
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) rotate(a, vectors, n, p, q);
    }
  }
  return { values: Float64Array.from({ length: n }, (_, i) => a[i * n + i]!), vectors };
}

/** Squares outside the diagonal. */
function outside(a: Matrix, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) sum += 2 * a[i * n + j]! ** 2;
  }
  return sum;
}

/** Turns the plane of axes p and q so that `a[p, q]` is 0. */
function rotate(a: Matrix, vectors: Matrix, n: number, p: number, q: number): void {
  const off = a[p * n + q]!;
  if (off === 0) return;
  const ratio = (a[q * n + q]! - a[p * n + p]!) / (2 * off);
  const tan = (ratio < 0 ? -1 : 1) / (Math.abs(ratio) + Math.sqrt(ratio * ratio + 1));
  const cos = 1 / Math.sqrt(tan * tan + 1);
  const sin = tan * cos;
  for (let k = 0; k < n; k++) turn(a, k * n + p, k * n + q, cos, sin);
  for (let k = 0; k < n; k++) turn(a, p * n + k, q * n + k, cos, sin);
  for (let k = 0; k < n; k++) turn(vectors, k * n + p, k * n + q, cos, sin);
}

function turn(values: Matrix, i: number, j: number, cos: number, sin: number): void {
  const [x, y] = [values[i]!, values[j]!];
  values[i] = cos * x - sin * y;
  values[j] = sin * x + cos * y;
}
