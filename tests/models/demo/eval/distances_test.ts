import assert from "node:assert/strict";
import { contentShare, spread } from "../../../../models/demo/eval/distances.ts";
import type { Picture } from "../../../../models/demo/world/mod.ts";
import { seededRandom } from "../../../gpu.ts";

function pictures(count: number): Picture[] {
  const random = seededRandom(4);
  return Array.from(
    { length: count },
    () => ({ size: 5, data: Float32Array.from({ length: 75 }, random) }),
  );
}

const changed = (
  all: readonly Picture[],
  change: (value: number, i: number) => number,
): Picture[] => all.map(({ size, data }) => ({ size, data: data.map(change) }));

Deno.test("contentShare() is 1 for the truth, also when all pictures differ from it alike", () => {
  const truth = pictures(70);
  assert.equal(contentShare(truth, truth), 1);
  assert.equal(contentShare(changed(truth, (x, i) => 0.3 * x + Math.sin(i)), truth), 1);
});

Deno.test("contentShare() is chance where all pictures are the same", () => {
  const truth = pictures(64);
  assert.equal(contentShare(truth.map(() => truth[3]!), truth), 1 / 64);
});

Deno.test("contentShare() looks for the own picture among 64 only", () => {
  const truth = pictures(64);
  const twice = [...truth, ...truth];
  assert.equal(contentShare(twice, twice), 1);
});

Deno.test("spread() grows as pictures differ more, and is 0 where they are the same", () => {
  const some = pictures(9);
  const halved = changed(some, (x) => x / 2);
  assert.ok(Math.abs(spread(halved) / spread(some) - 0.5) < 1e-6);
  assert.equal(spread([some[0]!, some[0]!, some[0]!]), 0);
});
