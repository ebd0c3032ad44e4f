import assert from "node:assert/strict";
import { createLog, type Fields, type Log } from "../../service/log.ts";
import { captured } from "../console.ts";
import { startService } from "./made_up_service.ts";

Deno.test("createLog() writes lines for people, or JSON for programs", async () => {
  const now = () => new Date(0);
  const write = (format: "text" | "json") =>
    captured(() => {
      const log = createLog(format, now);
      log.info("GET /", { status: 200, token: null });
      log.error("It failed");
      return Promise.resolve();
    });
  const { err: text } = await write("text");
  assert.deepEqual(text.split("\n"), [
    "1970-01-01T00:00:00.000Z GET / status=200 token=null",
    "1970-01-01T00:00:00.000Z error: It failed",
  ]);
  const { err: json } = await write("json");
  const time = "1970-01-01T00:00:00.000Z";
  assert.deepEqual(json.split("\n").map((line) => JSON.parse(line)), [
    { time, level: "info", message: "GET /", status: 200, token: null },
    { time, level: "error", message: "It failed" },
  ]);
});

Deno.test("Each request has a line in the log, with the id that its answer has", async () => {
  const lines: [message: string, fields: Fields][] = [];
  const note = (message: string, fields: Fields = {}) => void lines.push([message, fields]);
  const log: Log = { info: note, error: note };
  await using service = await startService({}, log);
  const response = await service.request("/v1/generators?x=secret");
  await response.body?.cancel();
  await (await service.request("/healthz")).body?.cancel();
  const [message, { request, status, ms }] = lines.at(-1)!;
  assert.deepEqual([message, status], ["GET /v1/generators", 200]);
  assert.equal(request, response.headers.get("x-request-id"));
  assert.equal(typeof ms, "number");
});
