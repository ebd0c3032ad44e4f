/**
 * How much samples differ from each other. A generator that has collapsed onto a few images has
 * little distance within clusters, however far apart the clusters are (StyleGAN-NADA, appendix;
 * there the distance is LPIPS, here that or the angle between CLIP's features).
 */
import { dot } from "../vectors.ts";
import { type Clusters, type Distances, kMedoids } from "./medoids.ts";

/** As many as the method's authors take, and the seed of the start; the figure depends on both. */
export const CLUSTERS = 10;
export const CLUSTER_SEED = 0;

/** 1 - cosine of every two vectors of length 1. */
export function cosineDistances(features: readonly ArrayLike<number>[]): Distances {
  const count = features.length;
  const data = new Float32Array(count * count);
  features.forEach((a, i) => {
    for (let j = 0; j < i; j++) {
      const distance = Math.max(0, 1 - dot(a, features[j]!)); // rounding may go below 0
      data[i * count + j] = data[j * count + i] = distance;
    }
  });
  return { count, data };
}

/** Mean over clusters of the mean distance of two members; a cluster of one has none. */
export function distanceWithin({ count, data }: Distances, { labels, medoids }: Clusters): number {
  const means = medoids.flatMap((_, cluster) => {
    const members = labels.flatMap((label, j) => label === cluster ? [j] : []);
    const pairs = members.length * (members.length - 1) / 2;
    if (pairs === 0) return [];
    let sum = 0;
    members.forEach((i, place) => {
      for (const j of members.slice(0, place)) sum += data[i * count + j]!;
    });
    return [sum / pairs];
  });
  return means.reduce((sum, value) => sum + value, 0) / means.length;
}

/** Mean distance within `CLUSTERS` clusters of more than as many samples. */
export function diversity(distances: Distances): number {
  return distanceWithin(distances, kMedoids(distances, CLUSTERS, CLUSTER_SEED));
}
