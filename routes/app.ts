/** The HTTP interface: middleware, then one file of routes a resource. */
import type { Context } from "hono";
import { createMiddleware } from "hono/factory";
import type { Service } from "../service/service.ts";
import { adaptationEventRoutes } from "./adaptation_events.ts";
import { adaptationFileRoutes } from "./adaptation_files.ts";
import { adaptationRoutes } from "./adaptations.ts";
import { identify } from "./callers.ts";
import { clipRoutes } from "./clip.ts";
import { docsRoutes } from "./docs.ts";
import { generatorRoutes } from "./generators.ts";
import { allowOrigins, checkOrigin, headers, limitBodies } from "./guards.ts";
import { problem, problemOf } from "./problem.ts";
import { createRouter, type Env } from "./router.ts";
import { sampleRoutes } from "./samples.ts";
import { systemRoutes } from "./system.ts";
import { uiRoutes } from "./ui/mod.ts";

export type App = ReturnType<typeof createApp>;

const KIB = 2 ** 10;
const MIB = 2 ** 20;

/** Bytes of a body by its path; uploads are pictures. */
function bodyBytes(c: Context): number {
  if (/\/embeddings$/.test(c.req.path)) return 24 * MIB;
  if (/\/samples$/.test(c.req.path)) return MIB;
  const isUpload = c.req.header("content-type")?.startsWith("multipart/form-data");
  return isUpload ? 24 * MIB : 64 * KIB;
}

/** Paths that need no token: whether the server works, and what it is. */
function isOpen(metricsPublic: boolean): (path: string) => boolean {
  const paths = ["/", "/healthz", "/readyz", "/version", "/openapi.json", "/docs"];
  return (path) =>
    paths.includes(path) || /^\/(docs|ui)\//.test(path) || (metricsPublic && path === "/metrics");
}

/** Every error is a problem document (RFC 9457) with a stable `code`. */
export function createApp(service: Service) {
  const { config, tokens, log } = service;
  const app = createRouter();
  app.use(observe(service));
  app.use(headers);
  app.use(checkOrigin(config.host, config.corsOrigins));
  if (config.corsOrigins.length > 0) app.use(allowOrigins(config.corsOrigins));
  app.use(identify(tokens, isOpen(config.metricsPublic)));
  app.use(limitBodies({ totalBytes: 32 * MIB, bytesFor: bodyBytes }));

  app.route("/", uiRoutes());
  app.route("/", systemRoutes(service));
  app.route("/", adaptationRoutes(service));
  app.route("/", adaptationEventRoutes(service));
  app.route("/", adaptationFileRoutes(service));
  app.route("/", generatorRoutes(service));
  app.route("/", sampleRoutes(service));
  app.route("/", clipRoutes(service));
  app.route("/", docsRoutes(app));

  app.notFound((c) =>
    problem(c, 404, {
      code: "not_found",
      detail: `Cannot answer ${c.req.method} ${c.req.path}: /docs lists what there is`,
    })
  );
  app.onError((error, c) =>
    problemOf(c, error, (unforeseen) =>
      log.error("Unexpected error", {
        request: c.get("requestId"),
        error: unforeseen instanceof Error ? `${unforeseen.stack}` : String(unforeseen),
      }))
  );
  return app;
}

/** What asks too often to be worth a line. */
const QUIET = ["/healthz", "/readyz", "/metrics"];

/** Gives the request an id, and notes it when it is answered. */
function observe({ log, metrics }: Service) {
  return createMiddleware<Env>(async (c, next) => {
    const started = performance.now();
    const requestId = crypto.randomUUID();
    c.set("requestId", requestId);
    await next();
    c.header("x-request-id", requestId);
    const seconds = (performance.now() - started) / 1000;
    const { method, path, routePath } = c.req;
    const { status } = c.res;
    metrics.request({ method, route: status === 404 ? "unknown" : routePath, status }, seconds);
    if (QUIET.includes(path)) return;
    log.info(`${method} ${path}`, {
      status,
      ms: Math.round(1000 * seconds),
      request: requestId,
      token: c.get("caller")?.name || null,
    });
  });
}
