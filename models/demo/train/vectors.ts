/** The little linear algebra on the host that fitting takes. */
import { solve } from "../eval/matrix.ts";

export type Vector = Float64Array<ArrayBuffer>;

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** a + scale b */
export const plus = (a: Vector, scale: number, b: ArrayLike<number>): Vector =>
  a.map((value, i) => value + scale * b[i]!);

export function unitVector(a: ArrayLike<number>): Vector {
  const length = Math.sqrt(dot(a, a));
  return Float64Array.from(a, (value) => value / length);
}

export function meanOf(rows: readonly ArrayLike<number>[]): Vector {
  const mean = new Float64Array(rows[0]!.length);
  for (const row of rows) mean.forEach((_, i) => mean[i]! += row[i]! / rows.length);
  return mean;
}

/** Vectors of the same span that are orthonormal, one after the other (Gram and Schmidt). */
export function orthonormal(vectors: readonly ArrayLike<number>[]): Vector[] {
  const done: Vector[] = [];
  for (const vector of vectors) {
    const rest = done.reduce(
      (left, other) => plus(left, -dot(left, other), other),
      Float64Array.from(vector),
    );
    done.push(unitVector(rest));
  }
  return done;
}

/** Beside lengths of 1: columns may depend on each other, as far as their values do likewise. */
const SLACK = 1e-10;

/** The shortest x with x · columns[i] = values[i]. */
export function shortestSolution(columns: readonly Vector[], values: readonly number[]): Vector {
  const lengths = columns.map((column) => Math.sqrt(dot(column, column)));
  const units = columns.map(unitVector);
  const gram = Float64Array.from(
    units.flatMap((a, i) => units.map((b, k) => dot(a, b) + (i === k ? SLACK : 0))),
  );
  const shares = solve(gram, Float64Array.from(values, (value, i) => value / lengths[i]!));
  return units.reduce(
    (sum, unit, i) => plus(sum, shares[i]!, unit),
    new Float64Array(units[0]!.length),
  );
}
