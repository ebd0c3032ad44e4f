import assert from "node:assert/strict";
import { serve } from "../../commands/serve.ts";
import { UserError } from "../../lib/errors.ts";
import { captured } from "../console.ts";

Deno.test("serve() refuses a host that others could reach", async () => {
  await assert.rejects(serve({ host: "0.0.0.0", port: 0 }), (error) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, /^Cannot listen on "0\.0\.0\.0": .* use one of 127\.0\.0\.1/);
    return true;
  });
});

Deno.test("serve() names another port when its own is taken", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  await assert.rejects(serve({ host: "127.0.0.1", port }), {
    name: "UserError",
    message: `Cannot listen on port ${port}: another program does; ` +
      `pass --port ${port + 1} or stop it`,
  });
});

Deno.test("serve() answers at the address it prints, until it is told to stop", async () => {
  const { out } = await captured(async (printed) => {
    const stop = new AbortController();
    const served = serve({ host: "127.0.0.1", port: 0 }, stop.signal);
    const url = /http:\S+/.exec(printed())?.[0];
    const response = await fetch(`${url}/healthz`);
    assert.deepEqual(await response.json(), { status: "ok" });
    stop.abort();
    await served;
  });
  assert.match(out, /^nada \S+ listens on http:\/\/127\.0\.0\.1:\d+$/);
});
