/** Server-sent events. */
import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";

export interface SentEvent {
  readonly event: string;
  readonly id?: string;
  readonly data: unknown;
}

export interface EventStreamOptions {
  /** Ends the stream. */
  readonly closing: AbortSignal;
  /**
   * Milliseconds between comments that tell proxies and browsers that the connection lives. A reader
   * who has taken nothing from one to the next is let go; it can come again with Last-Event-ID.
   */
  readonly heartbeatMs?: number;
}

/** Sent ahead of the reader; further events are asked for when it has taken some of these. */
const BACKLOG_BYTES = 2 ** 16;

/**
 * Sends what `open` gives, some events at a time, until that ends; its signal is aborted when nobody
 * reads any more.
 */
export function openEventStream(
  c: Context,
  open: (signal: AbortSignal) => AsyncIterable<readonly SentEvent[]>,
  { closing, heartbeatMs = 15_000 }: EventStreamOptions,
): Response {
  const encoder = new TextEncoder();
  const stop = new AbortController();
  const events = open(stop.signal)[Symbol.asyncIterator]();
  let end = () => {};
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      end = () => {
        if (stop.signal.aborted) return;
        clearInterval(heartbeat);
        closing.removeEventListener("abort", end);
        stop.abort();
        events.return?.();
        try {
          controller.close();
        } catch { /* the client was faster */ }
      };
      closing.addEventListener("abort", end);
      let before: number | null = null;
      const heartbeat = setInterval(() => {
        const room = controller.desiredSize ?? 0;
        if (room > 0) {
          controller.enqueue(encoder.encode(": still here\n\n"));
        } else if (room === before) {
          (c.env as Partial<HttpBindings> | undefined)?.outgoing?.destroy();
          end();
        }
        before = room;
      }, heartbeatMs);
      if (closing.aborted) end();
    },
    async pull(controller) {
      const next = await events.next().catch(() => null); // what it was told of is gone
      if (stop.signal.aborted) return;
      if (!next || next.done) return end();
      controller.enqueue(encoder.encode(next.value.map(toText).join("")));
      // Others want to be answered as well, however much there is to send.
      await new Promise((resolve) => setTimeout(resolve, 0));
    },
    cancel: () => end(),
  }, new ByteLengthQueuingStrategy({ highWaterMark: BACKLOG_BYTES }));
  return c.body(body, 200, {
    "content-type": "text/event-stream",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
  });
}

function toText({ event, id, data }: SentEvent): string {
  const name = id === undefined ? "" : `id: ${id}\n`;
  return `event: ${event}\n${name}data: ${JSON.stringify(data)}\n\n`;
}
