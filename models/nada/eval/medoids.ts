/** Clusters around k of the samples themselves (k-medoids), for distances of any kind. */
import { RandomState } from "../../../lib/random/numpy.ts";

/** Distance of each pair, `[count, count]`: symmetric, 0 on the diagonal. */
export interface Distances {
  readonly count: number;
  readonly data: Float32Array;
}

export interface Clusters {
  /** The sample in the middle of each cluster. */
  readonly medoids: readonly number[];
  /** For each sample, the place in `medoids` of the one it is nearest to. */
  readonly labels: readonly number[];
  /** Sum of the distances to the nearest medoid. */
  readonly cost: number;
}

/** A swap has to gain more than what is rounding, so that the search ends. */
const GAIN = 1e-9;

/**
 * Starts from medoids that are drawn far apart, then swaps the medoid and the sample that lower the
 * cost most, until no swap does (PAM). The same seed gives the same clusters. `k` is at least 2 and
 * below the number of samples.
 */
export function kMedoids(distances: Distances, k: number, seed: number): Clusters {
  const medoids = farApart(distances, k, seed);
  for (;;) {
    const nearest = nearestMedoids(distances, medoids);
    const { gain, medoid, sample } = bestSwap(distances, medoids, nearest);
    if (!(gain > GAIN)) {
      const { labels, first } = nearest;
      return { medoids, labels: [...labels], cost: first.reduce((sum, d) => sum + d, 0) };
    }
    medoids[medoid] = sample;
  }
}

/** As k-means++ does: each next one with a chance that grows with the square of its distance. */
function farApart({ count, data }: Distances, k: number, seed: number): number[] {
  const draws = new RandomState(seed).randomSample(k);
  const chosen = [Math.floor(draws[0]! * count)];
  while (chosen.length < k) {
    const squares = Float64Array.from(
      { length: count },
      (_, j) => Math.min(...chosen.map((m) => data[m * count + j]!)) ** 2,
    );
    const total = squares.reduce((sum, value) => sum + value, 0);
    let left = draws[chosen.length]! * total;
    let next = squares.findIndex((value, j) => {
      left -= value;
      return left < 0 && !chosen.includes(j);
    });
    // Where all that is left coincides with a medoid, any will do.
    if (next < 0) next = squares.findIndex((_, j) => !chosen.includes(j));
    chosen.push(next);
  }
  return chosen;
}

/** For each sample its medoid, the distance to it, and that to the one it would go to without it. */
interface Nearest {
  readonly labels: Uint32Array;
  readonly first: Float64Array;
  readonly second: Float64Array;
}

function nearestMedoids({ count, data }: Distances, medoids: readonly number[]): Nearest {
  const labels = new Uint32Array(count);
  const first = new Float64Array(count).fill(Infinity);
  const second = new Float64Array(count).fill(Infinity);
  medoids.forEach((medoid, m) => {
    for (let j = 0; j < count; j++) {
      const d = data[medoid * count + j]!;
      if (d < first[j]!) {
        second[j] = first[j]!;
        first[j] = d;
        labels[j] = m;
      } else if (d < second[j]!) second[j] = d;
    }
  });
  return { labels, first, second };
}

/** The swap that gains most. One pass over the pairs serves all medoids (FastPAM). */
function bestSwap(
  { count, data }: Distances,
  medoids: readonly number[],
  { labels, first, second }: Nearest,
): { gain: number; medoid: number; sample: number } {
  // What taking a medoid away costs its samples.
  const loss = new Float64Array(medoids.length);
  labels.forEach((m, j) => loss[m]! += second[j]! - first[j]!);
  let best = { gain: 0, medoid: -1, sample: -1 };
  for (let sample = 0; sample < count; sample++) {
    if (medoids.includes(sample)) continue;
    let forAny = 0; // gained whichever medoid goes
    const forOne = loss.map((value) => -value);
    for (let j = 0; j < count; j++) {
      const d = data[sample * count + j]!;
      const [m, near, next] = [labels[j]!, first[j]!, second[j]!];
      if (d < near) {
        forAny += near - d;
        forOne[m]! += next - near;
      } else if (d < next) forOne[m]! += next - d;
    }
    forOne.forEach((value, medoid) => {
      const gain = forAny + value;
      if (gain > best.gain) best = { gain, medoid, sample };
    });
  }
  return best;
}
