import assert from "node:assert/strict";
import { readEvents } from "../../../routes/ui/client/sse.ts";

Deno.test("readEvents() gives each event once it is complete, wherever the stream is cut", async () => {
  const text = 'event: state\ndata: {"a":1}\n\n: still here\n\nevent: step\nid: 12\n' +
    "data: one\ndata: two\n\nevent: step\ndata: cut off";
  for (const size of [1, 2, 7, text.length]) {
    const chunks = text.match(new RegExp(`[^]{1,${size}}`, "g"))!;
    const events = await Array.fromAsync(readEvents(ReadableStream.from(chunks)));
    assert.deepEqual(events, [
      { event: "state", id: null, data: '{"a":1}' },
      { event: "step", id: "12", data: "one\ntwo" },
    ]);
  }
});
