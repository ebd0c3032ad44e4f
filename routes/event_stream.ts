/** Server-sent events. */
import type { Context } from "hono";

export interface SentEvent {
  readonly event: string;
  readonly id?: string;
  readonly data: unknown;
}

export interface EventStream {
  send(event: SentEvent): void;
  close(): void;
}

/** A reader who is so far behind is let go; it can come again with Last-Event-ID. */
const MAX_BACKLOG_BYTES = 2 ** 20;
/** Tells proxies and browsers that the connection lives. */
const HEARTBEAT_MS = 15_000;

/** `open` is called with the stream, and returns what is to be done when it ends; `signal` ends it. */
export function openEventStream(
  c: Context,
  signal: AbortSignal,
  open: (stream: EventStream) => () => void,
): Response {
  const encoder = new TextEncoder();
  let end = () => {};
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      let isOpen = true;
      let stop = () => {};
      const write = (text: string) => {
        if (!isOpen) return;
        controller.enqueue(encoder.encode(text));
        if ((controller.desiredSize ?? 0) <= 0) finish();
      };
      const heartbeat = setInterval(() => write(": still here\n\n"), HEARTBEAT_MS);
      const finish = () => {
        end();
        try {
          controller.close();
        } catch { /* the client was faster */ }
      };
      end = () => {
        if (!isOpen) return;
        isOpen = false;
        clearInterval(heartbeat);
        signal.removeEventListener("abort", finish);
        stop();
      };
      signal.addEventListener("abort", finish);
      stop = open({
        send: ({ event, id, data }) =>
          write(
            `event: ${event}\n${id === undefined ? "" : `id: ${id}\n`}data: ${
              JSON.stringify(data)
            }\n\n`,
          ),
        close: finish,
      });
    },
    cancel: () => end(),
  }, new ByteLengthQueuingStrategy({ highWaterMark: MAX_BACKLOG_BYTES }));
  return c.body(body, 200, {
    "content-type": "text/event-stream",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
  });
}
