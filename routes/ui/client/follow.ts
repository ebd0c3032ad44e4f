import { ApiError, ask, serverIsGone } from "./api.ts";
import { readEvents } from "./sse.ts";
import type { Adaptation, Preview, Step } from "./types.ts";

export interface Follower {
  state(adaptation: Adaptation): void;
  step(step: Step): void;
  preview(preview: Preview): void;
  /** The adaptation cannot be followed: there is none, or it may not be seen. */
  failed(error: Error): void;
}

const AGAIN_MS = 1500;
const FINAL = ["succeeded", "failed", "canceled"];

/**
 * Tells of an adaptation until it ends, from its first step on and each once: where the connection
 * breaks, the next goes on behind the last event. Returns how to stop.
 */
export function follow(id: string, follower: Follower): () => void {
  const stopping = new AbortController();
  const { signal } = stopping;
  let last: string | null = null;
  let ended = false;

  async function connect(): Promise<void> {
    const headers: HeadersInit = last === null ? {} : { "last-event-id": last };
    const response = await ask(`/v1/adaptations/${id}/events`, { headers, signal });
    for await (const event of readEvents(response.body!.pipeThrough(new TextDecoderStream()))) {
      if (signal.aborted) return;
      last = event.id ?? last;
      const data = JSON.parse(event.data);
      if (event.event === "step") follower.step(data);
      else if (event.event === "preview") follower.preview(data);
      else {
        follower.state(data);
        ended = false;
        if (FINAL.includes(data.state)) ended = true;
      }
    }
  }

  (async () => {
    while (!signal.aborted) {
      try {
        await connect();
        if (ended) return;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof ApiError && error.status !== 0 && error.status < 500) {
          return follower.failed(error);
        }
        serverIsGone();
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  })();
  return () => stopping.abort();
}
