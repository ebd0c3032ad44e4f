import assert from "node:assert/strict";
import { serve } from "../../commands/serve.ts";
import { UserError } from "../../lib/errors.ts";
import { localWorkers, madeUpConfig } from "../service/made_up_service.ts";
import { captured } from "../console.ts";
import { temporaryFolder } from "../temporary.ts";

/** What `serve` takes, in a folder of its own and without threads. */
const options = (data: string) => ({ config: madeUpConfig(data), workers: localWorkers() });

Deno.test("serve() refuses a host that others could reach", async () => {
  using folder = temporaryFolder();
  const { config, workers } = options(folder.path);
  await assert.rejects(serve({ ...config, host: "0.0.0.0" }, { workers }), (error) => {
    assert.ok(error instanceof UserError);
    assert.match(
      error.message,
      /^Cannot listen on "0\.0\.0\.0": .* add one with nada token add NAME/,
    );
    return true;
  });
});

Deno.test("serve() names another port when its own is taken", async () => {
  using folder = temporaryFolder();
  const { config, workers } = options(folder.path);
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  await assert.rejects(serve({ ...config, port }, { workers }), {
    name: "UserError",
    message: `Cannot listen on port ${port}: another program does; ` +
      `pass --port ${port + 1} or stop it`,
  });
});

Deno.test("serve() answers at the address it prints, until it is told to stop", async () => {
  using folder = temporaryFolder();
  const { config, workers } = options(folder.path);
  const { out } = await captured(async (printed) => {
    const stop = new AbortController();
    const served = serve(config, { signal: stop.signal, workers });
    const url = await address(printed);
    const response = await fetch(`${url}/healthz`);
    assert.deepEqual(await response.json(), { status: "ok" });
    stop.abort();
    await served;
  });
  assert.match(out, /^nada \S+ listens on http:\/\/127\.0\.0\.1:\d+\nThere is no token: /);
});

Deno.test("serve() refuses a data folder that another one uses", async () => {
  using folder = temporaryFolder();
  const { config, workers } = options(folder.path);
  await captured(async (printed) => {
    const stop = new AbortController();
    const served = serve(config, { signal: stop.signal, workers });
    await address(printed);
    await assert.rejects(serve(config, { workers }), /another nada serve uses it/);
    stop.abort();
    await served;
  });
});

/** Waits for the address that is printed. */
async function address(printed: () => string): Promise<string> {
  for (let tries = 0; tries < 200; tries++) {
    const url = /http:\S+/.exec(printed())?.[0];
    if (url) return url;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("no address was printed");
}
