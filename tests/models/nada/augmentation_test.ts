import assert from "node:assert/strict";
import { input } from "../../../lib/graph/tensor.ts";
import {
  augment,
  mapOntoCorners,
  windowSize,
  WindowStream,
} from "../../../models/nada/augmentation.ts";
import { MixingStream } from "../../../models/nada/random_latents.ts";
import { evaluate, normals, seededRandom } from "../../gpu.ts";

Deno.test("augment() cuts a window out of each image, exactly, and mirrors some", async () => {
  const images = normals(2 * 3 * 9 * 9, seededRandom(3));
  const s = windowSize(9);
  assert.equal(s, 8);
  const windows = augment(input("images", [2, 3, 9, 9]), input("maps", [2, 9]));
  const { out } = await evaluate({ out: windows }, {
    images,
    maps: Float32Array.of(1, 0, 1, 0, 1, 0, 0, 0, 1, -1, 0, s - 1, 0, 1, 1, 0, 0, 1),
  });
  const expected = Float32Array.from(out, (_, i) => {
    const [n, c] = [Math.floor(i / (3 * s * s)), Math.floor(i / (s * s)) % 3];
    const [y, x] = [Math.floor(i / s) % s, i % s];
    const [row, column] = n === 0 ? [y, x + 1] : [y + 1, s - 1 - x];
    return images[((n * 3 + c) * 9 + row) * 9 + column]!;
  });
  assert.deepEqual(out, expected);
});

/** Where a map looks from column u and row v. */
function place(map: ArrayLike<number>, u: number, v: number): [x: number, y: number] {
  const row = (k: number) => map[3 * k]! * u + map[3 * k + 1]! * v + map[3 * k + 2]!;
  return [row(0) / row(2), row(1) / row(2)];
}

Deno.test("mapOntoCorners() takes the corners of the square to those of the quadrilateral", () => {
  const corners = [[1, 0.5], [14, 2], [15, 12.5], [0.25, 15]] as const;
  const map = mapOntoCorners(13, [...corners]);
  const seen = [place(map, 0, 0), place(map, 13, 0), place(map, 13, 13), place(map, 0, 13)];
  seen.flat().forEach((value, i) => {
    assert.ok(Math.abs(value - corners.flat()[i]!) < 1e-12, `${value} at ${i}`);
  });
  // Lines stay lines: the middle of the square lies where the diagonals cross.
  const [x, y] = place(map, 6.5, 6.5);
  const [[ax, ay], [bx, by], [cx, cy], [dx, dy]] = corners;
  const side = (px: number, py: number, qx: number, qy: number) =>
    (qx - px) * (y - py) - (qy - py) * (x - px);
  assert.ok(Math.abs(side(ax, ay, cx, cy)) < 1e-10);
  assert.ok(Math.abs(side(bx, by, dx, dy)) < 1e-10);
});

Deno.test("WindowStream gives windows of whole pixels, everywhere and both ways", () => {
  const stream = new WindowStream("crop-flip", 5, 16, 3);
  const seen = { left: new Set<number>(), top: new Set<number>(), step: new Set<number>() };
  for (let step = 0; step < 50; step++) {
    const maps = stream.next();
    assert.equal(maps.length, 27);
    for (let i = 0; i < 3; i++) {
      const map = maps.subarray(9 * i, 9 * i + 9);
      const [first, last] = [place(map, 0, 0), place(map, 13, 13)];
      seen.left.add(Math.min(first[0], last[0]));
      seen.top.add(first[1]);
      seen.step.add(map[0]!);
      assert.deepEqual([Math.abs(last[0] - first[0]), last[1] - first[1]], [13, 13]);
    }
  }
  const places = new Set([0, 1, 2]);
  assert.deepEqual(seen, { left: places, top: places, step: new Set([1, -1]) });
  const resumed = new WindowStream("crop-flip", 5, 16, 3, 50);
  assert.deepEqual(resumed.next(), stream.next());
});

Deno.test("WindowStream gives quadrilaterals inside the image, each corner near the image's", () => {
  const [side, last] = [32, windowSize(32) - 1];
  const stream = new WindowStream("perspective", 7, side, 4);
  let [mirrored, slanted] = [0, 0];
  for (let step = 0; step < 50; step++) {
    const maps = stream.next();
    for (let i = 0; i < 4; i++) {
      const map = maps.subarray(9 * i, 9 * i + 9);
      const corners = [[0, 0], [last, 0], [last, last], [0, last]] as const;
      const isMirrored = place(map, 0, 0)[0] > side / 2;
      mirrored += Number(isMirrored);
      slanted += Number(Math.abs(map[6]!) > 1e-4 && Math.abs(map[7]!) > 1e-4);
      for (const [u, v] of corners) {
        const [x, y] = place(map, u, v);
        const [toX, toY] = [(u > 0) === isMirrored ? 0 : side - 1, v > 0 ? side - 1 : 0];
        const [outX, outY] = [Math.abs(x - toX), Math.abs(y - toY)];
        assert.ok(outX <= 4.001 && outY <= 4.001, `(${u}, ${v}) at (${x}, ${y})`);
        assert.ok(x > -1e-3 && y > -1e-3 && x < side - 0.999 && y < side - 0.999);
      }
    }
  }
  assert.ok(mirrored > 70 && mirrored < 130, `${mirrored} of 200 mirrored`);
  assert.ok(slanted > 150, `${slanted} of 200 slanted`);
  assert.deepEqual(new WindowStream("perspective", 7, side, 4, 50).next(), stream.next());
});

Deno.test("MixingStream mixes as often as it is told to, with rows of both", () => {
  const sizes = { wCount: 6, countPerStep: 4 };
  const stream = new MixingStream(1, 0.3, sizes);
  const firsts = Array.from(
    { length: 400 },
    () => stream.next().useFirst.reduce((sum, value) => sum + value, 0),
  );
  const mixed = firsts.filter((count) => count < 6);
  assert.ok(mixed.length > 80 && mixed.length < 160, `${mixed.length} of 400`);
  assert.deepEqual([...new Set(mixed)].sort(), [1, 2, 3, 4, 5]);
  assert.deepEqual(new MixingStream(1, 0.3, sizes, 400).next(), stream.next());
});
