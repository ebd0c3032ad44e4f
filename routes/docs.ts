import type { OpenAPIHono } from "@hono/zod-openapi";
import { VERSION } from "../lib/version.ts";
import { docsPage, STYLE } from "./docs_page.ts";
import { createRouter, type Env } from "./router.ts";

/** /openapi.json, from the schemas that validate requests, and a page that shows it. */
export function docsRoutes(app: OpenAPIHono<Env>) {
  app.openAPIRegistry.registerComponent("securitySchemes", "token", {
    type: "http",
    scheme: "bearer",
    description: "A token of `nada token add`; not needed where the server has none.",
  });
  const router = createRouter();
  router.get("/openapi.json", (c) => c.json(describe(app)));
  router.get("/docs", (c) => c.html(docsPage(describe(app))));
  router.get("/docs/style.css", (c) => c.body(STYLE, 200, { "content-type": "text/css" }));
  return router;
}

function describe(app: OpenAPIHono<Env>) {
  return app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "nada",
      version: VERSION,
      description:
        "Adapts image generators to new domains from two short texts, and draws with them.",
    },
    security: [{ token: [] }],
    tags: [
      { name: "adaptations", description: "Jobs that make new generators." },
      { name: "generators", description: "What can be drawn with." },
      { name: "samples", description: "Images." },
      { name: "clip", description: "Features of texts and images." },
      { name: "system", description: "The server itself." },
    ],
  });
}
