import assert from "node:assert/strict";
import { latentsFromSeeds } from "../../models/generator/latents.ts";
import { AdaptedCache } from "../../service/gpu/adapted_cache.ts";
import { testGpu } from "../gpu.ts";
import { ASKED, startService } from "./made_up_service.ts";

Deno.test("Adapted generators are evicted by their bytes and come back as they were", async () => {
  await using service = await startService();
  const deltas: string[] = [];
  for (const seed of [1, 2, 3]) {
    const asked = { ...ASKED, seed, steps: 2, lr: 0.1 };
    const { id } = await (await service.post("/v1/adaptations?wait=true", asked)).json();
    deltas.push(service.service.adaptations.deltaPath(id));
  }
  const { path: base, architecture } = service.service.models.generator("small");
  const z = latentsFromSeeds([7], architecture.zSize);
  const draw = async (cache: AdaptedCache, delta: string | null) => {
    const adapted = delta === null ? [] : [{ delta, strength: 1 }];
    const wanted = { base, classIndex: null, adapted, noise: "const" } as const;
    return (await (await cache.sampler(wanted, 1)).sample({ z })).images;
  };

  const gpu = await testGpu();
  const large = new AdaptedCache(gpu, Infinity);
  const wanted = [];
  for (const delta of [null, ...deltas]) wanted.push(await draw(large, delta));
  assert.equal(new Set(wanted.map((image) => image.join())).size, 4, "all draw differently");
  const { bytes, evictions } = large.status;
  assert.equal(evictions, 0);

  const budget = 0.7 * bytes; // two of the three
  const small = new AdaptedCache(gpu, budget);
  await draw(small, null);
  const { bytes: held } = gpu.allocated;
  await draw(small, deltas[0]!);
  for (const i of [1, 2, 0, 0, 3, 1, 2, 3, 0]) {
    const delta = i === 0 ? null : deltas[i - 1]!;
    assert.deepEqual(await draw(small, delta), wanted[i]);
    assert.ok(small.status.bytes <= budget);
  }
  // Of 1, then 1 2 3 3 … as above: the third, the second and the first had to be read again.
  const { adaptations, hits, misses } = small.status;
  assert.deepEqual([adaptations, hits, misses], [2, 1, 6]);
  for (const delta of deltas) small.forget(delta);
  assert.deepEqual([small.status.bytes, gpu.allocated.bytes], [0, held], "nothing is left behind");
});
