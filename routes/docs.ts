import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Env } from "./router.ts";
import { VERSION } from "../lib/version.ts";
import { createRouter } from "./router.ts";

/** Swagger UI comes from its package, not from a CDN: the page works without the internet. */
const FILES: Record<string, { type: string; load: () => Promise<{ default: Uint8Array }> }> = {
  "swagger-ui.css": {
    type: "text/css",
    load: () => import("swagger-ui-dist/swagger-ui.css", { with: { type: "bytes" } }),
  },
  "swagger-ui-bundle.js": {
    type: "text/javascript",
    load: () => import("swagger-ui-dist/swagger-ui-bundle.js", { with: { type: "bytes" } }),
  },
};

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>nada: API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<div id="api"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</html>
`;

const START = `SwaggerUIBundle({ url: "/openapi.json", dom_id: "#api", validatorUrl: null });\n`;

/** /openapi.json, from the schemas that validate requests, and a page that shows it. */
export function docsRoutes(app: OpenAPIHono<Env>) {
  app.openAPIRegistry.registerComponent("securitySchemes", "token", {
    type: "http",
    scheme: "bearer",
    description: "A token of `nada token add`; not needed where the server has none.",
  });
  const router = createRouter();
  router.get("/openapi.json", (c) => c.json(document(app)));
  router.get("/docs", (c) => c.html(PAGE));
  router.get("/docs/start.js", (c) => c.body(START, 200, { "content-type": "text/javascript" }));
  for (const [name, { type, load }] of Object.entries(FILES)) {
    router.get(`/docs/${name}`, async (c) => {
      const { default: bytes } = await load();
      return c.body(Uint8Array.from(bytes), 200, { "content-type": type });
    });
  }
  return router;
}

function document(app: OpenAPIHono<Env>) {
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
