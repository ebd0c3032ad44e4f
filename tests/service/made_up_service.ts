/** A service in this process, on the device of the test, with models that take no time. */
import { writeSafetensors } from "../../lib/checkpoint/mod.ts";
import { createApp } from "../../routes/app.ts";
import { LocalRemote } from "../../service/calls.ts";
import type { ServiceConfig } from "../../service/config.ts";
import { GpuHost } from "../../service/gpu/host.ts";
import type { GpuWork } from "../../service/gpu/work.ts";
import { ImageHost } from "../../service/images/host.ts";
import type { ImageWork } from "../../service/images/work.ts";
import { PlanningHost } from "../../service/planning/host.ts";
import type { PlanningWork } from "../../service/planning/work.ts";
import type { Log } from "../../service/log.ts";
import { gpuOptions, Service } from "../../service/service.ts";
import { writeGenerator } from "../commands/made_up_file.ts";
import { tinyTensors } from "../models/clip/tiny.ts";
import { temporaryFolder } from "../temporary.ts";

/** A CLIP that knows single letters, and a generator of 8x8 images. */
export async function writeModels(file: (name: string) => string) {
  const clip = file("clip.safetensors");
  await writeSafetensors(clip, tinyTensors(), { "nada.templates": JSON.stringify(["{}"]) });
  return { generator: await writeGenerator(file("generator.safetensors")), clip };
}

/** What a service is told that keeps nothing in memory, in the folder `data`. */
export function madeUpConfig(data: string): ServiceConfig {
  return {
    host: "127.0.0.1",
    port: 0,
    maxConnections: 100,
    data,
    generators: {},
    clips: {},
    maxQueued: 100,
    gpuCacheBytes: 2 ** 20,
    gpuMemoryBytes: null,
    keepAliveMs: null,
    imageCacheBytes: 2 ** 20,
    corsOrigins: [],
    metricsPublic: false,
    webhooks: { enabled: false, secret: null, allow: [] },
    logFormat: "text",
  };
}

/** All work done in this thread. */
export function localWorkers(gpu = new GpuHost(gpuOptions(madeUpConfig("/tmp")))) {
  return {
    gpu: new LocalRemote<GpuWork>(gpu),
    images: new LocalRemote<ImageWork>(new ImageHost()),
    planning: new LocalRemote<PlanningWork>(new PlanningHost()),
  };
}

const SILENT = { info: () => {}, error: () => {} };

export async function startService(changes: Partial<ServiceConfig> = {}, log: Log = SILENT) {
  const folder = temporaryFolder();
  const { generator, clip } = await writeModels(folder.file);
  const config: ServiceConfig = {
    ...madeUpConfig(folder.file("data")),
    generators: { small: generator },
    clips: { tiny: clip },
    ...changes,
  };
  const gpu = new GpuHost(gpuOptions(config));
  const workers = localWorkers(gpu);
  let service = await Service.open(config, workers, log);
  let app = createApp(service);
  return {
    folder,
    config,
    gpu,
    get service() {
      return service;
    },
    request: (path: string, init?: RequestInit) => app.request(path, init),
    post: (path: string, body: unknown, headers: Record<string, string> = {}) =>
      app.request(path, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify(body),
      }),
    /** Adapts to the end, however long that takes on a busy machine; gives what is told of it. */
    async adapt(more: object = {}) {
      const response = await app.request("/v1/adaptations", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ ...ASKED, ...more }),
      });
      const { id } = await response.json();
      await service.adaptations.ended(id, new AbortController().signal);
      return await (await app.request(`/v1/adaptations/${id}`)).json();
    },
    /** Ends the service in order and opens another on the same folder. */
    async restart() {
      await service.close();
      service = await Service.open(config, workers, log);
      app = createApp(service);
    },
    async [Symbol.asyncDispose]() {
      await service.close();
      await gpu.close();
      folder[Symbol.dispose]();
    },
  };
}

export type MadeUpService = Awaited<ReturnType<typeof startService>>;

/** A request for an adaptation of the made-up models. */
export const ASKED = {
  source: "a",
  target: "b",
  generator: "small",
  clip: "tiny",
  steps: 4,
  preview_every: 2,
  preview_count: 2,
};
