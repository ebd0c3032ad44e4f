/**
 * Tells clients' servers what becomes of their adaptations, as Standard Webhooks has it: an id that
 * stays the same when a delivery is repeated, a timestamp, and a signature over both and the body.
 */
import { createHmac } from "node:crypto";
import { join } from "node:path";
import { isFinal } from "../lib/jobs/mod.ts";
import { writeFileAtomic } from "../lib/files.ts";
import type { AdaptationJob, Adaptations } from "./adaptations.ts";
import type { WebhookConfig } from "./config.ts";
import { exists } from "./files.ts";
import type { Log } from "./log.ts";
import { postPublicly } from "./public_post.ts";

export type WebhookEvent = "started" | "progress" | "completed";

/** Pauses before a delivery is tried again. */
const PAUSES_MS = [1_000, 5_000, 25_000, 120_000];
/** For a receiver to answer. */
const TIMEOUT_MS = 10_000;
/** Between messages of progress. */
const PROGRESS_MS = 500;
/** What was not delivered for so long is given up at the next start. */
const STALE_MS = 24 * 3600 * 1000;

export interface WebhooksOptions {
  readonly config: WebhookConfig;
  readonly adaptations: Adaptations;
  readonly log: Log;
  /** What a message holds, besides its type and time. */
  view(job: AdaptationJob): Promise<unknown>;
  readonly pausesMs?: readonly number[];
}

export class Webhooks {
  readonly #closing = new AbortController();
  readonly #lastProgress = new Map<string, number>();

  constructor(private readonly options: WebhooksOptions) {}

  /** Delivers from now on, and what the last process did not get to. */
  start(): void {
    const { adaptations } = this.options;
    adaptations.queue.subscribe((job) => {
      if (job.state === "starting" && job.attempts === 1) this.#tell(job, "started");
      if (isFinal(job.state)) this.#complete(job);
    });
    adaptations.feed.onStep((id) => {
      const now = performance.now();
      if (now - (this.#lastProgress.get(id) ?? -Infinity) < PROGRESS_MS) return;
      this.#lastProgress.set(id, now);
      this.#tell(adaptations.get(id), "progress");
    });
    for (const job of adaptations.endedSince(Date.now() - STALE_MS)) this.#complete(job);
  }

  /** Ends deliveries; those of ends are made at the next start. */
  stop(): void {
    this.#closing.abort();
  }

  #wants({ request: { webhook } }: AdaptationJob, event: WebhookEvent): string | null {
    return this.options.config.enabled && webhook?.events.includes(event) ? webhook.url : null;
  }

  /** Once, and no matter whether it arrives. */
  async #tell(job: AdaptationJob, event: WebhookEvent): Promise<void> {
    const url = this.#wants(job, event);
    if (url === null) return;
    await this.#send(url, `${job.id}.${event}.${Date.now()}`, event, job).catch((error) =>
      this.options.log.error("Webhook failed", { adaptation: job.id, event, error: error.message })
    );
  }

  /** Until it has arrived, or was tried often enough. */
  async #complete(job: AdaptationJob): Promise<void> {
    this.#lastProgress.delete(job.id);
    const url = this.#wants(job, "completed");
    const { adaptations, log, pausesMs = PAUSES_MS } = this.options;
    const note = join(adaptations.folderOf(job.id), "webhook.json");
    if (url === null || await exists(note)) return;
    for (let tries = 1;; tries++) {
      const failure = await this.#send(url, `${job.id}.completed`, "completed", job)
        .then(() => null, (error: Error) => error.message);
      if (this.#closing.signal.aborted) return;
      const isLast = tries > pausesMs.length;
      if (failure !== null) {
        log.error("Webhook failed", {
          adaptation: job.id,
          event: "completed",
          tries,
          error: failure,
        });
      }
      if (failure === null || isLast) {
        await Deno.mkdir(adaptations.folderOf(job.id), { recursive: true });
        return await writeFileAtomic(note, `${JSON.stringify({ tries, failure })}\n`);
      }
      await pause(pausesMs[tries - 1]!, this.#closing.signal);
      if (this.#closing.signal.aborted) return;
    }
  }

  async #send(url: string, id: string, event: WebhookEvent, job: AdaptationJob): Promise<void> {
    const timestamp = new Date();
    const data = await this.options.view(job);
    const body = JSON.stringify({ type: `adaptation.${event}`, timestamp, data });
    const seconds = String(Math.floor(timestamp.getTime() / 1000));
    const { secret, allow } = this.options.config;
    const status = await postPublicly(new URL(url), {
      headers: {
        "content-type": "application/json",
        "content-length": String(new TextEncoder().encode(body).length),
        "user-agent": "nada",
        "webhook-id": id,
        "webhook-timestamp": seconds,
        ...secret !== null && { "webhook-signature": sign(secret, `${id}.${seconds}.${body}`) },
      },
      body,
      allow,
      signal: AbortSignal.any([this.#closing.signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    if (status < 200 || status > 299) throw new Error(`the receiver answered ${status}`);
  }
}

/** `secret` is base64, perhaps behind "whsec_". */
function sign(secret: string, content: string): string {
  const key = Uint8Array.fromBase64(secret.replace(/^whsec_/, ""));
  return `v1,${createHmac("sha256", key).update(content).digest("base64")}`;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end, { once: true });
  });
}
