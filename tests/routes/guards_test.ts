import assert from "node:assert/strict";
import { addToken, revokeToken } from "../../service/tokens.ts";
import { startService } from "../service/made_up_service.ts";

Deno.test("With tokens, the service knows who asks and what they may do", async () => {
  await using service = await startService();
  const { request, config: { data } } = service;
  const scopes = { reader: ["read"], painter: ["sample"], boss: ["admin"] } as const;
  const tokens: Record<string, string> = {};
  for (const [name, own] of Object.entries(scopes)) {
    tokens[name] = await addToken(data, { name, scopes: [...own], rate: null });
  }
  tokens.slow = await addToken(data, { name: "slow", scopes: ["read"], rate: 2 });
  await service.restart();
  assert.ok(!(await Deno.readTextFile(`${data}/tokens.json`)).includes(tokens.boss!));

  const status = async (path: string, token?: string, init: RequestInit = {}) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const response = await request(path, { ...init, headers });
    await response.body?.cancel();
    return response.status;
  };
  const list = "/v1/adaptations";
  const image = "/v1/generators/small/samples/1.png";
  assert.equal(await status("/healthz"), 200);
  assert.equal(await status(list), 401);
  assert.equal(await status("/metrics"), 401);
  for (const wrong of ["nada_", tokens.boss!.slice(0, -1), "x".repeat(2 ** 20)]) {
    assert.equal(await status(list, wrong), 401, wrong.slice(0, 60));
  }
  assert.equal(await status(list, tokens.reader), 200);
  assert.equal(await status("/metrics", tokens.reader), 200);
  assert.equal(await status(image, tokens.reader), 403);
  assert.equal(await status(image, tokens.painter), 200);
  assert.equal(await status(list, tokens.painter), 403);
  assert.equal(await status(list, tokens.reader, { method: "POST" }), 403);
  assert.equal(await status(image, tokens.boss), 200);

  const answers = [];
  for (let i = 0; i < 3; i++) answers.push(await status(list, tokens.slow));
  assert.deepEqual(answers, [200, 200, 429]);

  await revokeToken(data, "reader");
  await new Promise((resolve) => setTimeout(resolve, 1100));
  assert.equal(await status(list, tokens.reader), 401);

  // Without the file nobody is let in, rather than everybody.
  await Deno.remove(`${data}/tokens.json`);
  await new Promise((resolve) => setTimeout(resolve, 1100));
  assert.deepEqual([await status(list), await status(list, tokens.boss)], [401, 401]);
});

Deno.test("A server on loopback answers no page of another origin, and no other name", async () => {
  await using service = await startService({ corsOrigins: ["https://app.example"] });
  const ask = async (url: string, headers: Record<string, string> = {}, method = "GET") => {
    const response = await service.request(url, { method, headers });
    await response.body?.cancel();
    return response;
  };
  const list = "http://localhost:8787/v1/generators";
  assert.equal((await ask(list)).status, 200);
  assert.equal((await ask("http://127.0.0.1:8787/v1/generators")).status, 200);
  assert.equal((await ask("http://evil.example:8787/v1/generators")).status, 421);
  assert.equal((await ask(list, { origin: "http://localhost:8787" })).status, 200);
  assert.equal((await ask(list, { origin: "https://evil.example" })).status, 403);
  const allowed = await ask(list, { origin: "https://app.example" });
  assert.equal(allowed.status, 200);
  assert.equal(allowed.headers.get("access-control-allow-origin"), "https://app.example");
  assert.match(allowed.headers.get("content-security-policy")!, /default-src 'self'/);
  assert.equal(allowed.headers.get("x-content-type-options"), "nosniff");
});

Deno.test("Bodies beyond their limit are refused, whatever they say of themselves", async () => {
  await using service = await startService();
  const send = async (body: BodyInit, type = "application/json") => {
    const size = typeof body === "string"
      ? { "content-length": String(body.length) }
      : { "transfer-encoding": "chunked" };
    const response = await service.request("/v1/adaptations", {
      method: "POST",
      headers: { "content-type": type, ...size },
      body,
    });
    return [response.status, (await response.json()).code];
  };
  const large = "x".repeat(2 ** 16 + 1);
  assert.deepEqual(await send(JSON.stringify({ source: large })), [413, "too_large"]);
  const endless = new ReadableStream({
    pull: (controller) => controller.enqueue(new TextEncoder().encode(large)),
  });
  assert.deepEqual(await send(endless), [413, "too_large"]);
  assert.deepEqual(await send(new Blob(["{}"]).stream()), [422, "invalid_request"]);
  assert.deepEqual(await send(`${"[".repeat(30_000)}`), [400, "bad_request"]);
});
