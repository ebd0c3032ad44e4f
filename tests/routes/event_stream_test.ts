import assert from "node:assert/strict";
import { Hono } from "hono";
import { openEventStream } from "../../routes/event_stream.ts";
import { within } from "../within.ts";

/** A stream of events without end, how many were asked for, and when nobody wants more. */
async function opened({ heartbeatMs = 1e6, size = 1000 } = {}) {
  const closing = new AbortController();
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  let count = 0;
  async function* numbers(signal: AbortSignal) {
    signal.addEventListener("abort", () => resolve());
    for (;; count++) yield [{ event: "step", id: String(count), data: "x".repeat(size) }];
  }
  const app = new Hono().get(
    "/",
    (c) => openEventStream(c, numbers, { closing: closing.signal, heartbeatMs }),
  );
  const response = await app.request("/");
  return { response, closing, ended, count: () => count };
}

/** The ids of whole events at the beginning of a text. */
function ids(text: string): number[] {
  return [...text.matchAll(/^event: step\nid: (\d+)\ndata: "x*"\n\n/gm)].map(([, id]) =>
    Number(id)
  );
}

Deno.test("Events are asked for as they are read, and none is left out", async () => {
  const { response, count } = await opened();
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (text.length < 2 ** 21) {
    text += (await reader.read()).value;
    assert.ok(1000 * count() < text.length + 2 ** 18, "it does not run ahead");
  }
  const seen = ids(text);
  assert.deepEqual(seen, [...seen.keys()]);
  await reader.cancel();
});

Deno.test("A reader of events who takes nothing from one heartbeat to the next is let go", async () => {
  const { response, ended } = await opened({ heartbeatMs: 5 });
  await within(60, "the end of the stream", ended);
  const text = await response.text();
  assert.ok(text.length < 2 ** 18, `${text.length} bytes were kept`);
  const seen = ids(text);
  assert.deepEqual(seen, [...seen.keys()]);
  assert.ok(text.endsWith("\n\n"), "whole events, so that the last id is one to go on from");
});

Deno.test("Streams of events end when their reader leaves, and when the service closes", async () => {
  const left = await opened();
  await left.response.body!.cancel();
  await left.ended;
  const open = await opened({ size: 2 ** 17 });
  const reader = open.response.body!.getReader();
  await reader.read();
  open.closing.abort();
  await open.ended;
  while (!(await reader.read()).done);
});

Deno.test("A stream without events says now and then that it lives", async () => {
  // deno-lint-ignore require-yield
  async function* silent(signal: AbortSignal) {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
  }
  const closing = new AbortController();
  const app = new Hono().get(
    "/",
    (c) => openEventStream(c, silent, { closing: closing.signal, heartbeatMs: 1 }),
  );
  const reader = (await app.request("/")).body!.pipeThrough(new TextDecoderStream()).getReader();
  for (const _ of [1, 2]) {
    // A comment by the standard: readers of events pass over it.
    assert.equal((await reader.read()).value, ": still here\n\n");
  }
  closing.abort();
  while (!(await reader.read()).done);
});
