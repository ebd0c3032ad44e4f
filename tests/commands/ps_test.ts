import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { createApp } from "../../routes/app.ts";
import { listen } from "../../routes/listen.ts";
import { main } from "../../main.ts";
import { addToken } from "../../service/tokens.ts";
import { captured } from "../console.ts";
import { startService } from "../service/made_up_service.ts";

Deno.test("nada ps shows a service's adaptation, queue, device and models", async () => {
  await using service = await startService();
  await (await service.request("/v1/generators/small/samples/1.png")).bytes();
  const token = await addToken(service.config.data, { name: "me", scopes: ["read"], rate: null });
  // A running service sees a change of the file within a second.
  while ((await service.request("/v1/generators")).status !== 401) await delay(50);
  const listening = await listen(createApp(service.service), service.config);
  const ps = (...args: string[]) =>
    captured(() => main(["ps", "--server", listening.url, ...args]));
  try {
    const shown = await ps("--token", token);
    assert.equal(shown.result, 0, shown.err);
    assert.match(shown.out, /^READY, on .* taken/);
    assert.match(shown.out, /no adaptation is under way\n0 of at most 100 wait/);
    assert.match(shown.out, /^small +generator +\S+ \S+ +0 +\S+/m);
    const { status } = JSON.parse((await ps("--token", token, "--json")).out);
    assert.equal(status, "READY");
    const refused = await ps("--token", "wrong");
    assert.equal(refused.result, 2);
    assert.match(refused.err, /^error: Cannot ask ".*": Cannot answer: the token is unknown/);
  } finally {
    await listening.close();
  }
  const gone = await ps();
  assert.equal(gone.result, 2);
  assert.match(gone.err, /^error: Cannot ask ".*": nothing answers there; start nada serve/);
});
