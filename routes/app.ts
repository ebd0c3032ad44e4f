/** The HTTP interface: middleware, then one file of routes a resource. */
import { VERSION } from "../lib/version.ts";
import type { Service } from "../service/service.ts";
import { adaptationEventRoutes } from "./adaptation_events.ts";
import { adaptationFileRoutes } from "./adaptation_files.ts";
import { adaptationRoutes } from "./adaptations.ts";
import { clipRoutes } from "./clip.ts";
import { docsRoutes } from "./docs.ts";
import { generatorRoutes } from "./generators.ts";
import { problem, problemOf } from "./problem.ts";
import { createRouter } from "./router.ts";
import { sampleRoutes } from "./samples.ts";
import { systemRoutes } from "./system.ts";

export type App = ReturnType<typeof createApp>;

/** Every error is a problem document (RFC 9457) with a stable `code`. */
export function createApp(service: Service) {
  const app = createRouter();
  app.use(async (c, next) => {
    c.set("requestId", crypto.randomUUID());
    c.set("caller", { name: "", scopes: ["admin"] });
    await next();
  });
  app.route("/", systemRoutes(service));
  app.route("/", adaptationRoutes(service));
  app.route("/", adaptationEventRoutes(service));
  app.route("/", adaptationFileRoutes(service));
  app.route("/", generatorRoutes(service));
  app.route("/", sampleRoutes(service));
  app.route("/", clipRoutes(service));
  app.route("/", docsRoutes(app));
  app.get(
    "/",
    (c) => c.json({ name: "nada", version: VERSION, docs: "/docs", api: "/openapi.json" }),
  );

  app.notFound((c) =>
    problem(c, 404, {
      code: "not_found",
      detail: `Cannot answer ${c.req.method} ${c.req.path}: /docs lists what there is`,
    })
  );
  app.onError((error, c) => problemOf(c, error, (unforeseen) => console.error(unforeseen)));
  return app;
}
