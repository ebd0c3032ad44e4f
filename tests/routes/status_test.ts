import assert from "node:assert/strict";
import { GpuError } from "../../lib/errors.ts";
import { createApp } from "../../routes/app.ts";
import type { Remote } from "../../service/calls.ts";
import type { GpuWork } from "../../service/gpu/work.ts";
import { Service } from "../../service/service.ts";
import { temporaryFolder } from "../temporary.ts";
import { ASKED, localWorkers, madeUpConfig, startService } from "../service/made_up_service.ts";
import { readEvents } from "../service/read_events.ts";

Deno.test("GET /v1/status says what the server works on and what is on its device", async () => {
  await using service = await startService();
  const { request, post } = service;
  const status = async () => await (await request("/v1/status")).json();
  while ((await status()).status === "STARTING");
  const idle = await status();
  assert.deepEqual([idle.status, idle.detail, idle.setup.status], ["READY", null, "succeeded"]);
  assert.ok(idle.setup.started_at <= idle.setup.completed_at);
  assert.deepEqual([idle.queue, idle.models], [{ waiting: 0, max: 100 }, []]);

  await (await request("/v1/generators/small/samples/1.png")).bytes();
  await (await post("/v1/clip/embeddings", { clip: "tiny", texts: ["a"] })).json();
  const [generator, clip] = (await status()).models;
  assert.deepEqual([generator.name, generator.kind], ["small", "generator"]);
  assert.ok(generator.bytes > 0 && generator.idle_seconds >= 0);
  assert.deepEqual([clip.name, clip.kind], ["tiny", "clip"]);

  const { id } = await (await post("/v1/adaptations", { ...ASKED, steps: 5000 })).json();
  await post("/v1/adaptations", ASKED);
  for await (const { event } of readEvents(await request(`/v1/adaptations/${id}/events`))) {
    if (event === "step") break;
  }
  const busy = await status();
  assert.deepEqual([busy.status, busy.adaptation], ["BUSY", id]);
  assert.deepEqual([busy.concurrency, busy.queue.waiting], [{ max: 1, current: 1 }, 1]);
  assert.ok(busy.device.bytes > idle.device.bytes);
});

Deno.test("GET /v1/status answers 200 and says what is wrong", async () => {
  using folder = temporaryFolder();
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  let isBroken = true;
  const { gpu, ...others } = localWorkers();
  const fragile: Remote<GpuWork> = {
    async call(method, args, options) {
      await opened;
      if (isBroken) throw new GpuError("Cannot find a GPU: there is no Vulkan driver");
      return await gpu.call(method, args, options);
    },
  };
  const config = madeUpConfig(folder.file("data"));
  const log = { info: () => {}, error: () => {} };
  const service = await Service.open(config, { gpu: fragile, ...others }, log);
  const app = createApp(service);
  const told = async (): Promise<[string, string | null]> => {
    const response = await app.request("/v1/status");
    assert.equal(response.status, 200);
    const { status, detail } = await response.json();
    return [status, detail];
  };
  const noGpu = "Cannot find a GPU: there is no Vulkan driver";
  assert.deepEqual(await told(), ["STARTING", null]);
  open();
  assert.deepEqual(await told(), ["SETUP_FAILED", noGpu]);
  isBroken = false;
  assert.equal((await app.request("/readyz")).status, 200);
  assert.deepEqual(await told(), ["READY", null]);
  await Deno.rename(`${config.data}/adaptations`, folder.file("away"));
  const [status, detail] = await told();
  assert.equal(status, "UNHEALTHY");
  assert.ok(!detail!.includes(folder.path), detail!);
  await Deno.rename(folder.file("away"), `${config.data}/adaptations`);
  isBroken = true;
  assert.deepEqual(await told(), ["DEFUNCT", noGpu]);
  isBroken = false;
  assert.deepEqual(await told(), ["READY", null]);
  await service.close();
});
