/** How the whole server is, in the words of `cog` (Replicate), which tools that watch models know. */
import { z } from "@hono/zod-openapi";
import { VERSION } from "../lib/version.ts";
import { AdaptationId } from "./adaptation_request.ts";
import type { LoadedModel } from "./gpu/work.ts";
import type { Models } from "./models.ts";
import type { Service } from "./service.ts";

const Word = z.enum(["STARTING", "READY", "BUSY", "SETUP_FAILED", "UNHEALTHY", "DEFUNCT"]).openapi({
  description:
    "`STARTING`: the device is being opened. `READY`: an adaptation would start at once. " +
    "`BUSY`: one is under way, and others wait for it. `SETUP_FAILED`: there is no device. " +
    "`UNHEALTHY`: nothing can be kept on the disk now. `DEFUNCT`: there was a device, and it cannot " +
    "be opened again.",
});

export const ServerStatus = z.object({
  status: Word,
  detail: z.string().nullable().openapi({ description: "What is wrong, where something is." }),
  version: z.string(),
  setup: z.object({
    status: z.enum(["starting", "succeeded", "failed"]),
    started_at: z.iso.datetime(),
    completed_at: z.iso.datetime().nullable(),
  }),
  concurrency: z.object({ max: z.literal(1), current: z.int().min(0).max(1) }),
  adaptation: AdaptationId.nullable().openapi({ description: "The one that is under way." }),
  queue: z.object({ waiting: z.int(), max: z.int() }),
  device: z.object({
    adapter: z.string(),
    kind: z.enum(["cpu", "gpu"]),
    bytes: z.int().openapi({ description: "Memory that is taken." }),
    memory_bytes: z.int().nullable().openapi({
      description: "Memory that may be taken; null where the device does not tell.",
    }),
  }).nullable(),
  models: z.array(z.object({
    name: z.string(),
    kind: z.enum(["generator", "clip"]),
    bytes: z.int().openapi({ description: "Memory of its weights on the device." }),
    adaptations: z.int().openapi({ description: "Adaptations of it that are there as well." }),
    idle_seconds: z.number(),
  })).openapi({ description: "What is kept on the device for requests to come." }),
}).openapi("ServerStatus");
export type ServerStatus = z.infer<typeof ServerStatus>;

/** A device that takes longer to answer is taken at its last word. */
const WAIT_MS = 250;

export async function serverStatus(service: Service): Promise<ServerStatus> {
  const { adaptations: { queue }, models, config, startedAt } = service;
  await service.refreshDevice(WAIT_MS).catch(() => {}); // it is in what is known of it
  const storeProblem = await service.storeProblem();
  const { status: device, problem, openedAt } = service.device;
  const { running } = queue;
  const status = problem !== null
    ? device ? "DEFUNCT" : "SETUP_FAILED"
    : storeProblem !== null
    ? "UNHEALTHY"
    : device === null
    ? "STARTING"
    : running === null
    ? "READY"
    : "BUSY";
  const time = (ms: number) => new Date(ms).toISOString();
  return {
    status,
    detail: problem ?? storeProblem,
    version: VERSION,
    setup: {
      status: device ? "succeeded" : problem === null ? "starting" : "failed",
      started_at: time(startedAt),
      completed_at: openedAt === null ? null : time(openedAt),
    },
    concurrency: { max: 1, current: running === null ? 0 : 1 },
    adaptation: running,
    queue: { waiting: queue.waiting().length, max: config.maxQueued },
    device: device && {
      adapter: device.adapter,
      kind: device.kind,
      bytes: device.bytes,
      memory_bytes: device.memoryBytes,
    },
    models: (device?.loaded ?? []).map((loaded) => ({
      name: nameOf(loaded, models),
      kind: loaded.kind,
      bytes: loaded.bytes,
      adaptations: loaded.adaptations,
      idle_seconds: Math.round(loaded.idleMs / 100) / 10,
    })),
  };
}

/** The name that a model is registered by. */
function nameOf({ kind, path }: LoadedModel, { generators, clips }: Models): string {
  const registered: ReadonlyMap<string, { name: string; path: string }> = kind === "generator"
    ? generators
    : clips;
  return registered.values().find((model) => model.path === path)!.name;
}
