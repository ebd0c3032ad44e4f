import assert from "node:assert/strict";
import { Webhook } from "standardwebhooks";
import { publicAddress } from "../../service/public_address.ts";
import { ASKED, startService } from "./made_up_service.ts";

interface Received {
  readonly body: string;
  readonly headers: Record<string, string>;
}

/** A receiver that answers with these statuses, and then with 204. */
function receiver(...statuses: number[]) {
  const received: Received[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (r) => {
    received.push({ body: await r.text(), headers: Object.fromEntries(r.headers) });
    return new Response(null, { status: statuses.shift() ?? 204 });
  });
  const { port } = server.addr as Deno.NetAddr;
  return {
    received,
    host: `127.0.0.1:${port}`,
    url: `http://127.0.0.1:${port}/hook`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

const SECRET = `whsec_${new Uint8Array(24).fill(7).toBase64()}`;

Deno.test("A webhook is signed, repeated until it arrives, and told once", async () => {
  await using hook = receiver(500);
  const webhooks = { enabled: true, secret: SECRET, allow: [hook.host] };
  await using service = await startService({ webhooks });
  const asked = {
    ...ASKED,
    steps: 1,
    webhook: { url: hook.url, events: ["started", "completed"] },
  };
  await service.post("/v1/adaptations?wait=true", asked);
  for (let i = 0; i < 100 && hook.received.length < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const types = hook.received.map(({ body }) => JSON.parse(body).type);
  assert.equal(types.filter((type) => type === "adaptation.started").length, 1);
  const completed = hook.received.filter((_, i) => types[i] === "adaptation.completed");
  assert.ok(completed.length >= 1);
  for (const { body, headers } of hook.received) new Webhook(SECRET).verify(body, headers);
  assert.equal(JSON.parse(completed[0]!.body).data.state, "succeeded");
  assert.equal(new Set(completed.map(({ headers }) => headers["webhook-id"])).size, 1);

  const before = hook.received.length;
  await service.restart();
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(hook.received.length, before, "what has arrived is not told again");
});

Deno.test("A webhook is told of progress, if that was asked for", async () => {
  await using hook = receiver();
  const webhooks = { enabled: true, secret: null, allow: [hook.host] };
  await using service = await startService({ webhooks });
  const asked = { ...ASKED, webhook: { url: hook.url, events: ["progress"] } };
  const { id } = await (await service.post("/v1/adaptations?wait=true", asked)).json();
  for (let i = 0; i < 100 && hook.received.length === 0; i++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const messages = hook.received.map(({ body }) => JSON.parse(body));
  assert.ok(messages.length > 0);
  for (const { type, data } of messages) {
    assert.deepEqual([type, data.id, data.progress.steps], ["adaptation.progress", id, 4]);
    assert.ok(data.progress.step > 0 && data.progress.loss > 0);
  }
  for (const { headers } of hook.received) assert.equal(headers["webhook-signature"], undefined);
});

Deno.test("publicAddress() gives no address that only this machine or its network reaches", async () => {
  const hidden = [
    "http://127.0.0.1/",
    "http://localhost/",
    "http://169.254.169.254/latest/meta-data",
    "http://10.1.2.3/",
    "http://192.168.0.1:8080/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[fd00::1]/",
    "http://2130706433/", // 127.0.0.1 as a number
    "http://0x7f.1/",
    "http://0.0.0.0/",
    "http://100.64.0.1/",
  ];
  for (const url of hidden) {
    await assert.rejects(publicAddress(new URL(url), []), /is not public|Cannot find/, url);
  }
  assert.equal(await publicAddress(new URL("http://1.1.1.1/"), []), "1.1.1.1");
  const allowed = await publicAddress(new URL("http://127.0.0.1:99/"), ["127.0.0.1:99"]);
  assert.equal(allowed, "127.0.0.1");
});

Deno.test("A webhook that leads to a private address is refused with the request", async () => {
  const webhooks = { enabled: true, secret: null, allow: ["127.0.0.1:9"] };
  await using service = await startService({ webhooks });
  const status = async (url: string) => {
    const asked = { ...ASKED, steps: 1, webhook: { url, events: ["started"] } };
    const response = await service.post("/v1/adaptations", asked);
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await status("http://127.0.0.1:8/"), 422);
  assert.equal(await status("http://[::1]/"), 422);
  assert.equal(await status("http://127.0.0.1:9/"), 202);
});
