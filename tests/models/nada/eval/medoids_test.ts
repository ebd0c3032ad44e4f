import assert from "node:assert/strict";
import { type Distances, kMedoids } from "../../../../models/nada/eval/medoids.ts";
import { seededRandom } from "../../../gpu.ts";

/** Points on a line. */
function onLine(points: readonly number[]): Distances {
  const data = points.flatMap((a) => points.map((b) => Math.abs(a - b)));
  return { count: points.length, data: Float32Array.from(data) };
}

/** The least cost of all choices of `k` medoids. */
function leastCost({ count, data }: Distances, k: number): number {
  const choices = (from: number, left: number): number[][] =>
    left === 0 ? [[]] : Array.from({ length: count - from }, (_, i) => from + i)
      .flatMap((m) => choices(m + 1, left - 1).map((rest) => [m, ...rest]));
  const costs = choices(0, k).map((medoids) => {
    let cost = 0;
    for (let j = 0; j < count; j++) cost += Math.min(...medoids.map((m) => data[m * count + j]!));
    return cost;
  });
  return Math.min(...costs);
}

Deno.test("kMedoids() finds groups that are plain to see, from any start", () => {
  const distances = onLine([0, 20, 1, 9, 22, 10, 3, 21]);
  for (let seed = 0; seed < 20; seed++) {
    const { medoids, labels, cost } = kMedoids(distances, 3, seed);
    const groups = medoids.map((medoid, m) => [
      medoid,
      labels.flatMap((label, j) => label === m ? [j] : []),
    ]);
    groups.sort((a, b) => Number(a[0]) - Number(b[0]));
    assert.equal(cost, 3 + 1 + 2); // 0 and 3 to 1; 9 to 10 or back; 20 and 22 to 21
    assert.deepEqual(groups.map(([, members]) => members), [[0, 2, 6], [3, 5], [1, 4, 7]]);
    assert.deepEqual([medoids.includes(2), medoids.includes(7)], [true, true]);
  }
});

Deno.test("kMedoids() comes close to the least cost there is, and gives the same for a seed", () => {
  const random = seededRandom(3);
  const places = Array.from({ length: 13 }, () => [random(), random()] as const);
  const data = places.flatMap(([x, y]) => places.map(([u, v]) => Math.hypot(x - u, y - v)));
  const distances = { count: 13, data: Float32Array.from(data) };
  const found = [0, 1, 2, 3].map((seed) => kMedoids(distances, 4, seed));
  const least = leastCost(distances, 4);
  for (const { cost } of found) assert.ok(cost >= least - 1e-12 && cost < 1.1 * least);
  assert.ok(found.some(({ cost }) => cost < least + 1e-12));
  assert.deepEqual(kMedoids(distances, 4, 3), found[3]);
});

Deno.test("kMedoids() ends where samples coincide", () => {
  const same = kMedoids(onLine([5, 5, 5, 5]), 3, 0);
  assert.equal(new Set(same.medoids).size, 3);
  assert.equal(same.cost, 0);
  assert.equal(kMedoids(onLine([5, 5, 5, 7]), 2, 0).cost, 0);
});
