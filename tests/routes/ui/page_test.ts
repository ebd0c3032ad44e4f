import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { digestOfSources, sourcePath } from "../../../routes/ui/sources.ts";
import { startService } from "../../service/made_up_service.ts";

Deno.test("The page's script and style are made of the sources beside them", async () => {
  const made = await Deno.readTextFile(sourcePath("built/sources.sha256"));
  assert.equal(made, await digestOfSources(), "run `deno task page`");
});

Deno.test("GET / answers the page, with what it needs from this server alone", async () => {
  await using service = await startService();
  const response = await service.request("/", { headers: { accept: "text/html" } });
  assert.match(response.headers.get("content-type")!, /^text\/html/);
  const policy = response.headers.get("content-security-policy")!;
  assert.match(policy, /default-src 'self'/);
  assert.doesNotMatch(policy, /unsafe/);
  const html = await response.text();
  assert.doesNotMatch(html, /https?:\/\/|style="|onclick/i);
  const [, style] = /<style>([^]*?)<\/style>/.exec(html)!;
  const digest = createHash("sha256").update(style!).digest("base64");
  assert.ok(policy.includes(`style-src 'self' 'sha256-${digest}'`), policy);
  const addresses = [...html.matchAll(/(?:src|href)="(\/ui\/[^"]+)"/g)].map(([, path]) => path!);
  assert.equal(addresses.length, 2);
  for (const address of addresses) {
    const file = await service.request(address);
    assert.equal(file.status, 200, address);
    assert.ok((await file.text()).length > 100, address);
  }
  const [script] = addresses.filter((address) => address.includes(".js"));
  const kept = (await service.request(script!)).headers.get("cache-control");
  assert.equal(kept, "public, max-age=31536000, immutable");
});

Deno.test("The page's script is at most 80 KB when it is compressed", async () => {
  await using service = await startService();
  const headers = { "accept-encoding": "gzip" };
  const response = await service.request("/ui/page.js", { headers });
  assert.equal(response.headers.get("content-encoding"), "gzip");
  assert.ok((await response.bytes()).length <= 80_000);
});
