/** The index of the first value that is NaN or infinite, -1 where all are finite. */
export function firstNonFinite(data: Float32Array): number {
  // A loop: a function that is called for each value makes an object of each.
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i]!)) return i;
  return -1;
}
