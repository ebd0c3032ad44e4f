import assert from "node:assert/strict";
import { DoesNotFitError } from "../../lib/errors.ts";
import { ADAPT_DEFAULTS, type AdaptOptions } from "../../models/nada/adapt.ts";
import { runCost } from "../../models/nada/cost.ts";
import { runOptions } from "../../service/adaptation_options.ts";
import { AdaptationRequest } from "../../service/adaptation_request.ts";
import { Admission } from "../../service/admission.ts";
import type { Remote } from "../../service/calls.ts";
import { ServiceError } from "../../service/failure.ts";
import type { GpuWork } from "../../service/gpu/work.ts";
import type { PlanningWork } from "../../service/planning/work.ts";
import { within } from "../within.ts";
import { ASKED, type MadeUpService, startService } from "./made_up_service.ts";

async function image({ request }: MadeUpService, generator: string, seed = 3) {
  const response = await request(`/v1/generators/${generator}/samples/${seed}.png`);
  assert.equal(response.status, 200, await response.clone().text());
  return await response.bytes();
}

Deno.test("An adaptation that can never fit is refused at once, and smaller ones are done", async () => {
  await using service = await startService({ gpuMemoryBytes: 2 ** 20 });
  const refused = await service.post("/v1/adaptations", { ...ASKED, batch: 32 });
  assert.equal(refused.status, 422);
  assert.equal(refused.headers.get("content-type"), "application/problem+json");
  const { code, detail } = await refused.json();
  assert.equal(code, "does_not_fit");
  assert.match(
    detail,
    /^Cannot adapt at batch 32: it takes \S+ MB of memory, and 1\.0 MB can be had; batch \d+ takes /,
  );
  assert.deepEqual((await (await service.request("/v1/adaptations")).json()).adaptations, []);
  assert.deepEqual([...Deno.readDirSync(`${service.config.data}/adaptations`)], []);
  const { state, error } = await service.adapt({ batch: 1 });
  assert.equal(state, "succeeded", JSON.stringify(error));
});

/** Answers every call with what `answer` gives. */
function remote<M>(answer: () => unknown): Remote<M> & { calls: number } {
  return {
    calls: 0,
    call() {
      this.calls++;
      return Promise.resolve().then(answer) as never;
    },
  };
}

const OPTIONS: AdaptOptions = {
  ...ADAPT_DEFAULTS,
  generator: "/g",
  clips: [{ path: "/c", weight: 1 }],
  source: "a",
  targets: [{ text: "b", weight: 1 }],
};

Deno.test("Admission plans runs of one size once, and anew where planning itself failed", async () => {
  const gpu = remote<GpuWork>(() => ({ kind: "gpu", limits: {}, memoryBytes: 1000 }));
  const plans = [
    () => {
      throw new ServiceError("device_lost", "A worker ended");
    },
    () => {
      throw new DoesNotFitError("Cannot adapt");
    },
    () => {},
  ];
  const planning = remote<PlanningWork>(() => plans.shift()!());
  const admission = new Admission(gpu, planning);
  const [large, small] = [{ ...OPTIONS, batch: 8 }, { ...OPTIONS, batch: 1 }];
  await assert.rejects(admission.check(large), { code: "device_lost" });
  await assert.rejects(admission.check(large), { name: "DoesNotFitError" });
  await assert.rejects(admission.check({ ...large, seed: 7, steps: 9 }), /Cannot adapt/);
  await admission.check(small);
  await admission.check({ ...small, source: "c", trainGenerator: null });
  assert.deepEqual([gpu.calls, planning.calls], [1, 3]);
});

Deno.test("Admission lets everything pass where nobody knows how much memory there is", async () => {
  const planning = remote<PlanningWork>(() => assert.fail());
  const unknown = remote<GpuWork>(() => ({ kind: "gpu", limits: {}, memoryBytes: null }));
  await new Admission(unknown, planning).check(OPTIONS);
  const broken = remote<GpuWork>(() => assert.fail("there is no device"));
  await new Admission(broken, planning).check(OPTIONS);
});

Deno.test("What is kept on the device makes way for an adaptation, and comes back", async () => {
  let [kept, peak] = [0, 0];
  const images: Uint8Array[] = [];
  {
    await using service = await startService({ imageCacheBytes: 0 });
    images.push(await image(service, "demo"), await image(service, "small"));
    kept = (await service.gpu.status()).bytes;
    const request = AdaptationRequest.parse(ASKED);
    const files = { start: null, styleImages: null };
    const options = runOptions(request, service.service.models, files);
    peak = (await runCost(options, await service.gpu.status())).memory.peak;
  }
  // Enough for either, and not for both.
  const gpuMemoryBytes = Math.max(kept, peak) + Math.floor(Math.min(kept, peak) / 2);
  await using service = await startService({ imageCacheBytes: 0, gpuMemoryBytes });
  for (const round of [1, 2]) {
    assert.deepEqual(await image(service, "demo"), images[0]);
    assert.deepEqual(await image(service, "small"), images[1]);
    const { state, error } = await service.adapt({ seed: round });
    assert.equal(state, "succeeded", JSON.stringify(error));
    const { loaded } = await service.gpu.status();
    assert.ok(loaded.length < 2, "nothing has made way");
  }
  assert.deepEqual(await image(service, "demo"), images[0]);
});

Deno.test("Models that nobody uses leave the device after a while, and come back", async () => {
  await using service = await startService({ imageCacheBytes: 0, keepAliveMs: 200 });
  const { gpu } = service;
  const { id } = await service.adapt();
  const before = [await image(service, "small"), await image(service, id)];
  const embed = () => service.post("/v1/clip/embeddings", { clip: "tiny", texts: ["a"] });
  const features = await (await embed()).json();
  await within(
    60,
    "unloading",
    (async () => {
      while ((await gpu.status()).loaded.length > 0) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })(),
  );
  assert.equal((await gpu.status()).bytes, 0);
  assert.deepEqual([await image(service, "small"), await image(service, id)], before);
  assert.deepEqual(await (await embed()).json(), features);
});
