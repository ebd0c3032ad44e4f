import assert from "node:assert/strict";
import { DeviceMemoryError } from "../../lib/errors.ts";
import { AdaptationRequest } from "../../service/adaptation_request.ts";
import type { Remote } from "../../service/calls.ts";
import type { GpuWork } from "../../service/gpu/work.ts";
import { Service } from "../../service/service.ts";
import { temporaryFolder } from "../temporary.ts";
import { ASKED, localWorkers, madeUpConfig, writeModels } from "./made_up_service.ts";

/** How an adaptation ends on a device that has no memory for it so many times. */
async function endOf(failures: number) {
  using folder = temporaryFolder();
  const { gpu, ...others } = localWorkers();
  let tries = 0;
  const full: Remote<GpuWork> = {
    call(method, args, options) {
      if (method !== "adapt" || ++tries > failures) return gpu.call(method, args, options);
      return Promise.reject(new DeviceMemoryError("Cannot allocate device memory: it is full"));
    },
  };
  const { generator, clip } = await writeModels(folder.file);
  const config = {
    ...madeUpConfig(folder.file("data")),
    generators: { small: generator },
    clips: { tiny: clip },
  };
  const log = { info: () => {}, error: () => {} };
  const service = await Service.open(config, { gpu: full, ...others }, log);
  const { adaptations } = service;
  const request = AdaptationRequest.parse({ ...ASKED, steps: 1 });
  const { job: { id } } = await adaptations.submit(request, [], {
    owner: "",
    idempotencyKey: null,
  });
  await adaptations.ended(id, new AbortController().signal);
  const { state, error } = adaptations.get(id);
  await service.close();
  return { state, error, tries };
}

Deno.test("An adaptation that the device has no memory for is tried once more, and then fails", async () => {
  const { state, tries } = await endOf(1);
  assert.deepEqual([state, tries], ["succeeded", 2]);
  const failed = await endOf(Infinity);
  assert.deepEqual([failed.state, failed.error?.code, failed.tries], [
    "failed",
    "gpu_out_of_memory",
    2,
  ]);
  assert.match(failed.error!.detail, /it is full/);
});
