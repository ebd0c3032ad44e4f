import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { Validator } from "@seriousme/openapi-schema-validator";
import parsePrometheus from "parse-prometheus-text-format";
import { createApp } from "../../routes/app.ts";
import { listen } from "../../routes/listen.ts";
import { startService } from "../service/made_up_service.ts";

Deno.test("The description of the API is valid by the OpenAPI schema", async () => {
  await using service = await startService();
  const document = await (await service.request("/openapi.json")).json();
  const { valid, errors } = await new Validator().validate(document);
  assert.ok(valid, JSON.stringify(errors));
});

Deno.test("A client made from the description drives an adaptation through its life", async () => {
  await using service = await startService();
  const { folder } = service;
  const description = await (await service.request("/openapi.json")).text();
  await Deno.writeTextFile(folder.file("openapi.json"), description);
  await deno(
    ...["--allow-env", "--allow-read", `--allow-write=${folder.path}`],
    ...[inClient("make_types.ts"), folder.file("openapi.json"), folder.file("api.d.ts")],
  );
  const lifecycle = await Deno.readTextFile(inClient("lifecycle.ts"));
  // Beside the types, what it does is checked against them.
  const checked = lifecycle.replace(/\/\/ @ts-ignore.*\n/, "");
  await Deno.writeTextFile(folder.file("lifecycle.ts"), checked);

  const listening = await listen(createApp(service.service), service.config);
  const printed = await deno(
    ...["--check", "--allow-net=127.0.0.1", folder.file("lifecycle.ts"), listening.url],
  ).finally(() => listening.close());
  assert.deepEqual(JSON.parse(printed), {
    sheet: true,
    single: "image/png",
    dimensions: 3,
    refused: "invalid_request",
    repeated: true,
    reused: "conflict",
    afterwards: 404,
  });
});

const inClient = (name: string) => fileURLToPath(new URL(`client/${name}`, import.meta.url));

/** Runs a program that has to succeed; returns what it printed. */
async function deno(...args: string[]): Promise<string> {
  const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
  const { code, stdout, stderr } = await new Deno.Command("/bin/sh", {
    args: ["-c", 'exec deno "$@"', "sh", "run", "-q", "--no-prompt", "--config", config, ...args],
    stdin: "null",
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** What its parser gives, which has no types. */
interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly metrics: { readonly value: string }[];
}

Deno.test("GET /metrics is text that Prometheus reads", async () => {
  await using service = await startService();
  const draw = await service.request("/v1/generators/small/samples/1.png");
  await draw.body!.cancel();
  const response = await service.request("/metrics");
  assert.match(response.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
  const families = new Map(
    (parsePrometheus(await response.text()) as Family[]).map((family) => [family.name, family]),
  );
  const types: Record<string, string> = {
    nada_queue_length: "GAUGE",
    nada_jobs: "GAUGE",
    nada_job_seconds: "HISTOGRAM",
    nada_step_seconds: "HISTOGRAM",
    nada_sample_seconds: "HISTOGRAM",
    nada_http_request_seconds: "HISTOGRAM",
    nada_device_bytes: "GAUGE",
    nada_image_cache_hits_total: "COUNTER",
  };
  for (const [name, type] of Object.entries(types)) {
    assert.equal(families.get(name)?.type, type, name);
    assert.ok(families.get(name)!.help.length > 0);
  }
  assert.ok(Number(families.get("nada_device_bytes")!.metrics[0]!.value) > 0);
});
