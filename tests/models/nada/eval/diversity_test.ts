import assert from "node:assert/strict";
import {
  CLUSTERS,
  cosineDistances,
  distanceWithin,
  diversity,
} from "../../../../models/nada/eval/diversity.ts";
import { assertClose } from "../../../assert.ts";

const at = (degrees: number) => [
  Math.cos(degrees * Math.PI / 180),
  Math.sin(degrees * Math.PI / 180),
];
const apart = (degrees: number) => 1 - at(degrees)[0]!;

Deno.test("cosineDistances() is 1 - cosine of every pair, never below 0", () => {
  const { count, data } = cosineDistances([at(0), at(60), at(180), at(60)]);
  assert.equal(count, 4);
  const row = [0, 0.5, 2, 0.5];
  assertClose(data.slice(0, 4), row, 1e-7);
  assertClose([0, 4, 8, 12].map((i) => data[i]!), row, 1e-7);
  assert.ok(data[7]! >= 0 && data[7]! < 1e-15);
});

Deno.test("distanceWithin() counts every cluster the same, and none of one sample", () => {
  const distances = cosineDistances([0, 10, 30, 90, 130, 200].map(at));
  const clusters = { medoids: [1, 3, 5], labels: [0, 0, 0, 1, 1, 2], cost: 0 };
  const first = (apart(10) + apart(20) + apart(30)) / 3;
  assertClose([distanceWithin(distances, clusters)], [(first + apart(40)) / 2], 1e-6);
});

Deno.test("diversity() sees what ten clusters of a few samples have inside", () => {
  const group = (width: number) =>
    cosineDistances(
      Array.from({ length: CLUSTERS }, (_, k) => [36 * k, 36 * k + width]).flat().map(at),
    );
  assertClose([diversity(group(4))], [apart(4)], 1e-4); // of distances rounded to 2^-24
  assertClose([diversity(group(8))], [apart(8)], 1e-4);
});

Deno.test("diversity() of a generator that always draws one image is 0", () => {
  const same = cosineDistances(Array.from({ length: 20 }, () => at(50)));
  assert.ok(diversity(same) < 1e-15);
});
