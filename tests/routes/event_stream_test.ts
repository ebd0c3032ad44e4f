import assert from "node:assert/strict";
import { Hono } from "hono";
import { type EventStream, openEventStream } from "../../routes/event_stream.ts";

/** A stream of events with what it is written by, and how often it was let go. */
async function opened() {
  const closing = new AbortController();
  let stream!: EventStream;
  let ended = 0;
  const app = new Hono().get("/", (c) =>
    openEventStream(c, closing.signal, (writer) => {
      stream = writer;
      return () => ended++;
    }));
  const response = await app.request("/");
  return { response, stream, closing, ended: () => ended };
}

Deno.test("A reader of events who is a MiB behind is let go", async () => {
  const { response, stream, ended } = await opened();
  const data = "x".repeat(2 ** 16);
  for (let i = 0; i < 15; i++) stream.send({ event: "step", id: String(i), data });
  assert.equal(ended(), 0);
  for (let i = 15; i < 200; i++) stream.send({ event: "step", id: String(i), data });
  assert.equal(ended(), 1);
  const text = await response.text();
  assert.ok(text.length < 2 ** 20 + 2 ** 17, `${text.length} bytes were kept`);
  const ids = [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
  assert.deepEqual(ids, [...ids.keys()], "whole events, so that the last id is one to go on from");
});

Deno.test("Streams of events end when their reader leaves, and when the service closes", async () => {
  const left = await opened();
  await left.response.body!.cancel();
  assert.equal(left.ended(), 1);
  const open = await opened();
  open.stream.send({ event: "state", data: 1 });
  open.closing.abort();
  assert.equal(await open.response.text(), "event: state\ndata: 1\n\n");
  assert.equal(open.ended(), 1);
});
