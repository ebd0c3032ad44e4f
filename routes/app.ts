import { type Context, Hono } from "hono";

/** What the routes need from outside. */
export interface AppDeps {
  version: string;
}

/** The HTTP interface. Every error is a problem document (RFC 9457) with a stable `code`. */
export function createApp({ version }: AppDeps): Hono {
  const app = new Hono();

  app.get("/", (c) => c.json({ name: "nada", version, routes: routesOf(app) }));
  app.get("/healthz", (c) => c.json({ status: "ok" }));
  app.get("/version", (c) => c.json({ version }));

  app.notFound((c) =>
    problem(c, {
      status: 404,
      code: "not_found",
      title: "Not Found",
      detail: `Cannot answer ${c.req.method} ${c.req.path}: GET / lists what there is`,
    })
  );
  app.onError((error, c) => {
    console.error(error);
    return problem(c, {
      status: 500,
      code: "internal",
      title: "Internal Server Error",
      detail: "Cannot answer: an unexpected error, described in the server's log",
    });
  });
  return app;
}

interface Problem {
  status: 404 | 500;
  /** For programs: never reworded. */
  code: string;
  title: string;
  detail: string;
}

function problem(c: Context, body: Problem): Response {
  return c.body(JSON.stringify(body), body.status, { "content-type": "application/problem+json" });
}

/** "GET /healthz" and so on, from the routes themselves, so that the list cannot be out of date. */
function routesOf(app: Hono): string[] {
  return [...new Set(app.routes.map(({ method, path }) => `${method} ${path}`))];
}
