import assert from "node:assert/strict";
import { startService } from "../service/made_up_service.ts";

Deno.test("The service without jobs", async (t) => {
  await using service = await startService();
  const { request, post } = service;

  await t.step("GET /healthz says ok as long as the process does", async () => {
    const response = await request("/healthz");
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), { status: "ok" });
  });

  await t.step("GET /readyz says that there is a device", async () => {
    assert.deepEqual(await (await request("/readyz")).json(), { status: "ready" });
  });

  await t.step(
    "GET / tells programs where everything is, and gives browsers the page",
    async () => {
      const told = await (await request("/", { headers: { accept: "*/*" } })).json();
      assert.equal(told.name, "nada");
      const paths = Object.values<string>(told).filter((value) => value.startsWith("/"));
      assert.ok(paths.length >= 9);
      for (const path of paths) {
        const response = await request(path);
        assert.equal(response.status, 200, path);
        await response.body!.cancel();
      }
      const page = await request("/", { headers: { accept: "text/html,*/*;q=0.8" } });
      assert.match(await page.text(), /<div id="page">/);
      assert.match(page.headers.get("vary")!, /accept/i);
    },
  );

  await t.step("An unknown path is a 404 problem document with a stable code", async () => {
    const response = await request("/v1/nothing", { method: "POST", body: "{}" });
    assert.equal(response.status, 404);
    assert.equal(response.headers.get("content-type"), "application/problem+json");
    assert.deepEqual(await response.json(), {
      status: 404,
      code: "not_found",
      title: "Not Found",
      detail: "Cannot answer POST /v1/nothing: /docs lists what there is",
    });
  });

  await t.step("GET /openapi.json describes every route", async () => {
    const { openapi, paths } = await (await request("/openapi.json")).json();
    assert.equal(openapi, "3.1.0");
    for (const path of ["/v1/adaptations", "/v1/generators/{id}/samples", "/healthz"]) {
      assert.ok(path in paths, path);
    }
  });

  await t.step("GET /docs is a page that loads nothing from elsewhere", async () => {
    const page = await (await request("/docs")).text();
    assert.doesNotMatch(page, /https?:/);
    assert.match(page, /<code>\/v1\/generators\/\{id\}\/samples<\/code> Draw images/);
    for (const [, path] of page.matchAll(/(?:href|src)="(\/[^"]+)"/g)) {
      const response = await request(path!);
      assert.equal(response.status, 200, path);
      await response.body!.cancel();
    }
  });

  await t.step("A wrong field is a 422 that names it", async () => {
    const response = await post("/v1/adaptations", { source: "a", target: [{ text: "" }] });
    assert.equal(response.status, 422);
    const { code, errors } = await response.json();
    assert.equal(code, "invalid_request");
    assert.ok(errors.some(({ path }: { path: string }) => path.startsWith("target")));
  });

  await t.step("Bodies that are no JSON are refused as what they are", async () => {
    const send = (type: string, body: string) =>
      request("/v1/adaptations", { method: "POST", headers: { "content-type": type }, body });
    assert.equal((await send("application/json", "{")).status, 400);
    assert.equal((await send("text/plain", "{}")).status, 415);
  });

  await t.step("What cannot be adapted is refused before it is queued", async () => {
    const cases: [object, RegExp][] = [
      [{ generator: "none" }, /Cannot use the generator "none": .* registered: demo, small/],
      [{ clip: "none" }, /Cannot use the CLIP model "none"/],
      [{ target: "the" }, /Cannot tokenize "the"/],
      [{ target: "a" }, /source and target are the same text/],
      [{ train_layers: ["convs.99"] }, /convs\.99/],
      [
        { train_layers: ["style"], train_params: "shift" },
        /the shift of "style": it has no styles/,
      ],
      [{ start_from: crypto.randomUUID() }, /Cannot start from the adaptation/],
    ];
    for (const [change, message] of cases) {
      const asked = { source: "a", target: "b", generator: "small", clip: "tiny", ...change };
      const response = await post("/v1/adaptations", asked);
      assert.equal(response.status, 422, JSON.stringify(change));
      assert.match((await response.json()).detail, message);
    }
    assert.deepEqual((await (await request("/v1/adaptations")).json()).adaptations, []);
  });
});
