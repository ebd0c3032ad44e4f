import { createRoute, z } from "@hono/zod-openapi";
import { VERSION } from "../lib/version.ts";
import { ServerStatus, serverStatus } from "../service/server_status.ts";
import type { Service } from "../service/service.ts";
import { allow } from "./callers.ts";
import { problem, problems } from "./problem.ts";
import { createRouter } from "./router.ts";

const json = <T extends z.ZodType>(schema: T) => ({ "application/json": { schema } });

/** Where to begin. */
const START = {
  name: "nada",
  version: VERSION,
  docs: "/docs",
  openapi: "/openapi.json",
  adaptations: "/v1/adaptations",
  generators: "/v1/generators",
  clip: "/v1/clip",
  status: "/v1/status",
  health: "/healthz",
  ready: "/readyz",
  metrics: "/metrics",
};

const start = createRoute({
  method: "get",
  path: "/",
  tags: ["system"],
  summary: "What there is, for programs; browsers get the page",
  security: [],
  responses: {
    200: {
      description: "Paths by what they are for.",
      content: {
        ...json(z.record(z.string(), z.string())),
        "text/html": { schema: z.string() },
      },
    },
  },
});

const health = createRoute({
  method: "get",
  path: "/healthz",
  tags: ["system"],
  summary: "Whether the process answers",
  security: [],
  responses: {
    200: { description: "It does.", content: json(z.object({ status: z.literal("ok") })) },
  },
});

const ready = createRoute({
  method: "get",
  path: "/readyz",
  tags: ["system"],
  summary: "Whether there is a device, and a disk that takes what is to be kept",
  security: [],
  responses: {
    200: { description: "There are.", content: json(z.object({ status: z.literal("ready") })) },
    ...problems(503),
  },
});

const status = createRoute({
  method: "get",
  path: "/v1/status",
  tags: ["system"],
  summary: "How the server is, what it works on, and what is on its device",
  middleware: [allow("read")],
  responses: {
    200: { description: "Always, whatever is wrong.", content: json(ServerStatus) },
    ...problems(401, 403),
  },
});

const version = createRoute({
  method: "get",
  path: "/version",
  tags: ["system"],
  summary: "The version of the program",
  security: [],
  responses: {
    200: { description: "The version.", content: json(z.object({ version: z.string() })) },
  },
});

const metrics = createRoute({
  method: "get",
  path: "/metrics",
  tags: ["system"],
  summary: "Figures for Prometheus",
  middleware: [allow("read")],
  responses: {
    200: {
      description: "In Prometheus' text format.",
      content: { "text/plain": { schema: z.string() } },
    },
    ...problems(401, 403),
  },
});

export function systemRoutes(service: Service) {
  return createRouter()
    .openapi(start, (c) => c.json(START, 200))
    .openapi(health, (c) => c.json({ status: "ok" as const }, 200))
    .openapi(version, (c) => c.json({ version: VERSION }, 200))
    .openapi(status, async (c) => c.json(await serverStatus(service), 200))
    .openapi(metrics, async (c) => {
      await service.refreshDevice().catch(() => {}); // the last word has to do
      const { body, type } = service.metrics.text();
      return c.text(body, 200, { "content-type": type });
    })
    .openapi(ready, async (c) => {
      const reason = await service.notReady();
      if (reason === null) return c.json({ status: "ready" as const }, 200);
      return problem(c, 503, { code: "not_ready", detail: reason }) as never;
    });
}
