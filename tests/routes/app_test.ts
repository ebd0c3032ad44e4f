import assert from "node:assert/strict";
import { createApp } from "../../routes/app.ts";

const app = createApp({ version: "1.2.3" });

Deno.test("GET / names the program, its version and every route", async () => {
  const response = await app.request("/");
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), {
    name: "nada",
    version: "1.2.3",
    routes: ["GET /", "GET /healthz", "GET /version"],
  });
});

Deno.test("GET /healthz answers while the process does", async () => {
  const response = await app.request("/healthz");
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { status: "ok" });
});

Deno.test("GET /version gives the version", async () => {
  assert.deepEqual(await (await app.request("/version")).json(), { version: "1.2.3" });
});

Deno.test("An unknown path is a 404 problem document with a stable code", async () => {
  const response = await app.request("/v1/nothing", { method: "POST", body: "{}" });
  assert.equal(response.status, 404);
  assert.equal(response.headers.get("content-type"), "application/problem+json");
  assert.deepEqual(await response.json(), {
    status: 404,
    code: "not_found",
    title: "Not Found",
    detail: "Cannot answer POST /v1/nothing: GET / lists what there is",
  });
});
