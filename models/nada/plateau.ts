/** When a loss has stopped falling. */

/** Steps of each of the two stretches that are compared: fewer would compare noise. */
const WINDOW = 50;
/** The later one has to be lower by this share. */
const GAIN = 0.01;

/** Whether the mean of the last 50 losses is less than 1% below that of the 50 before. */
export function hasPlateaued(losses: readonly number[]): boolean {
  if (losses.length < 2 * WINDOW) return false;
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b) / values.length;
  const [earlier, later] = [mean(losses.slice(-2 * WINDOW, -WINDOW)), mean(losses.slice(-WINDOW))];
  return later > earlier - GAIN * Math.abs(earlier);
}
