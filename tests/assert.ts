import { AssertionError } from "node:assert/strict";

/**
 * ‖actual − expected‖ / ‖expected‖ in float64. A NaN on either side gives NaN; an expected value of
 * all zeros gives 0 when matched exactly and Infinity otherwise.
 */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) {
    throw new AssertionError({
      message: `${actual.length} elements cannot be compared with ${expected.length} expected`,
    });
  }
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i]! - expected[i]!) ** 2;
    norm += expected[i]! ** 2;
  }
  return difference === 0 ? 0 : Math.sqrt(difference) / Math.sqrt(norm);
}

/**
 * Throws unless the relative l2 error is at most `tolerance`, saying where the worst element is and
 * how many are bad (off by more than `tolerance` times the root mean square of `expected`).
 * Returns the relative error.
 */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  label = "values",
): number {
  const error = relativeError(actual, expected);
  if (error <= tolerance) return error;

  let norm = 0;
  for (let i = 0; i < expected.length; i++) norm += expected[i]! ** 2;
  const allowed = tolerance * Math.sqrt(norm / expected.length);

  let worst = 0;
  let worstDifference = -1;
  let bad = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!);
    if (!(difference <= allowed)) bad++;
    // The first NaN is worse than any number.
    if (Number.isNaN(difference) ? !Number.isNaN(worstDifference) : difference > worstDifference) {
      worst = i;
      worstDifference = difference;
    }
  }
  const share = (100 * bad / expected.length).toPrecision(3);
  throw new AssertionError({
    message: `${label}: relative error ${error.toExponential(2)}, allowed ` +
      `${tolerance.toExponential(2)}; worst at [${worst}]: ${actual[worst]}, expected ` +
      `${expected[worst]}; ${bad} of ${expected.length} elements (${share}%) are off`,
    actual: actual[worst],
    expected: expected[worst],
  });
}
