import assert from "node:assert/strict";
import type { Gpu } from "../../lib/gpu/device.ts";
import type { AdaptedCache } from "../../service/gpu/adapted_cache.ts";
import { Renderer } from "../../service/gpu/renderer.ts";
import { Spare } from "../../service/gpu/spare.ts";
import { Turns } from "../../service/gpu/turns.ts";
import type { SampleWork } from "../../service/gpu/work.ts";

/** A renderer whose images show their latents, and how many were drawn at a time. */
function makeRenderer() {
  const batches: number[] = [];
  const cache = {
    sampler: (_wanted: unknown, count: number) => {
      batches.push(count);
      return Promise.resolve({
        architecture: { resolution: 1 },
        sample: ({ z }: { z: Float32Array<ArrayBuffer> }) =>
          Promise.resolve({ images: z, wPlus: z, count }),
      });
    },
  } as unknown as AdaptedCache;
  const turns = new Turns();
  const spare = new Spare({} as Gpu, turns, []);
  return { renderer: new Renderer(cache, spare, turns), turns, batches };
}

const work = (value: number, more: Partial<SampleWork> = {}): SampleWork => ({
  base: "/g",
  classIndex: null,
  adapted: [],
  latents: { z: Float32Array.of(value, value, value) },
  count: 1,
  truncation: 1,
  noise: "const",
  mix: null,
  ...more,
});

Deno.test("Requests that arrive together are drawn together, at most eight images at a time", async () => {
  const { renderer, batches } = makeRenderer();
  const drawn = await Promise.all([...Array(10).keys()].map((i) => renderer.draw(work(i))));
  assert.deepEqual(batches, [8, 2]);
  assert.deepEqual(drawn.map(({ images }) => images[0]), [...Array(10).keys()]);
  assert.ok(drawn.every(({ images, count }) => images.length === 3 && count === 1));
});

Deno.test("Requests that come while the device is busy wait, and are then drawn together", async () => {
  const { renderer, turns, batches } = makeRenderer();
  const step = await turns.take();
  const first = renderer.draw(work(1));
  await new Promise((resolve) => setTimeout(resolve, 10));
  const others = [renderer.draw(work(2)), renderer.draw(work(3))];
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(batches, []);
  step[Symbol.dispose]();
  await Promise.all([first, ...others]);
  assert.deepEqual(batches, [3]);
});

Deno.test("Requests that want something else are drawn apart, the first one first", async () => {
  const { renderer, batches } = makeRenderer();
  const other = { truncation: 0.5 };
  const order: number[] = [];
  await Promise.all(
    [work(1), work(2, other), work(3), work(4, other)].map(async (asked) => {
      order.push((await renderer.draw(asked)).images[0]!);
    }),
  );
  assert.deepEqual(batches, [2, 2]);
  assert.deepEqual(order, [1, 3, 2, 4]);
});
