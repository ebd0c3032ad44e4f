import assert from "node:assert/strict";
import { patchSize } from "../../../models/nada/losses/mod.ts";
import { PatchStream } from "../../../models/nada/random_patches.ts";

Deno.test("patchSize() is 510 at 1024 pixels and in proportion elsewhere", () => {
  assert.deepEqual([1024, 512, 256, 96, 32, 8].map((side) => patchSize(side, side)), [
    510,
    256,
    128,
    48,
    16,
    4,
  ]);
  assert.equal(patchSize(384, 512), patchSize(384, 384));
});

Deno.test("PatchStream gives corners of patches that lie inside the images, everywhere in turn", () => {
  const images = { height: 24, width: 32, patches: 3 };
  const stream = new PatchStream(2, images);
  const seen = [new Set<number>(), new Set<number>()];
  for (let step = 0; step < 200; step++) {
    const corners = stream.next();
    assert.equal(corners.length, 6);
    corners.forEach((corner, i) => seen[i % 2]!.add(corner));
  }
  const [rows, columns] = seen.map((set) => [...set].sort((a, b) => a - b));
  assert.equal(patchSize(24, 32), 12);
  assert.deepEqual(rows, [...Array(12).keys()]);
  assert.deepEqual(columns, [...Array(20).keys()]);
});

Deno.test("PatchStream goes on where an interrupted run stopped", () => {
  const images = { height: 64, width: 64, patches: 4 };
  const whole = new PatchStream(2 ** 32 - 1, images);
  const steps = Array.from({ length: 5 }, () => whole.next());
  const resumed = new PatchStream(2 ** 32 - 1, images, 3);
  assert.deepEqual([resumed.next(), resumed.next()], steps.slice(3));
  assert.notDeepEqual(new PatchStream(7, images).next(), steps[0]);
});
