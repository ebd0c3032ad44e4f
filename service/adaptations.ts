/**
 * Adaptations as durable jobs. Each has a folder:
 *
 *     <id>/style/…    pictures that came with the request
 *     <id>/run/       the folder of the run
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { syncFolder, writeFileAtomic } from "../lib/files.ts";
import {
  isFinal,
  type Job,
  type JobContext,
  JobQueue,
  type JobState,
  type JobStore,
  QueueFullError,
  ReusedError,
} from "../lib/jobs/mod.ts";
import { AdaptationFeed, type Progress } from "./adaptation_feed.ts";
import { CHECKPOINT_EVERY, runOptions } from "./adaptation_options.ts";
import type { Admission } from "./admission.ts";
import type { AdaptationRequest } from "./adaptation_request.ts";
import type { Remote } from "./calls.ts";
import type { WebhookConfig } from "./config.ts";
import { Exclusive } from "./exclusive.ts";
import { failureOf, ServiceError } from "./failure.ts";
import { exists } from "./files.ts";
import type { AdaptDone, AdaptEvent, GpuWork } from "./gpu/work.ts";
import type { UploadedImage } from "./images/work.ts";
import type { Log } from "./log.ts";
import type { Models } from "./models.ts";
import { checkWebhook } from "./public_address.ts";

/** What is stored: the request, the steps that it means, and how many pictures came with it. */
export type StoredRequest = AdaptationRequest & {
  readonly steps: number;
  readonly style_images: number;
};
export type AdaptationJob = Job<StoredRequest, AdaptDone>;

export interface AdaptationsOptions {
  readonly store: JobStore;
  readonly folder: string;
  readonly models: Models;
  readonly gpu: Remote<GpuWork>;
  readonly admission: Admission;
  readonly maxQueued: number;
  readonly webhooks: WebhookConfig;
  readonly log: Log;
}

export interface Submitter {
  readonly owner: string;
  /** Chosen by the client. */
  readonly id?: string;
  readonly idempotencyKey: string | null;
}

/** Files of a run that clients may have. Others name paths of this machine. */
const FILES = /^(log\.jsonl|loss\.png|adapted\.safetensors|samples\/step_\d{4,6}\.png)$/;

const RETRIED = ["device_lost", "gpu_out_of_memory"];

export class Adaptations {
  readonly queue: JobQueue<StoredRequest, AdaptDone>;
  readonly feed: AdaptationFeed;
  /** Whoever makes or removes the folder of an id. */
  readonly #folders = new Exclusive();

  constructor(private readonly options: AdaptationsOptions) {
    this.feed = new AdaptationFeed({
      runFolder: (id) => this.#runFolder(id),
      job: (id) => this.queue.get(id),
    });
    this.queue = new JobQueue<StoredRequest, AdaptDone>({
      store: options.store,
      maxQueued: options.maxQueued,
      run: (job, context) => this.#run(job, context),
      judge: (error) => {
        const failure = failureOf(error);
        if (failure.code === "internal" && error instanceof Error) {
          options.log.error("Unexpected error", { error: `${error.stack}` });
        }
        const { code } = failure;
        const detail = code === "internal"
          ? "An unexpected error, described in the server's log"
          : failure.detail;
        return { code, detail, retry: RETRIED.includes(code) };
      },
    });
    this.queue.subscribe((job) => this.feed.tellState(job));
  }

  /**
   * Checks a request and stores it; one that has come before, by its id or key, is given back. Throws a
   * ServiceError or UserError for one that cannot be done.
   */
  submit(
    request: AdaptationRequest,
    images: readonly UploadedImage[],
    { owner, id = crypto.randomUUID(), idempotencyKey }: Submitter,
  ): Promise<{ job: AdaptationJob; isNew: boolean }> {
    return this.#folders.run(id, async () => {
      if (request.webhook) await checkWebhook(request.webhook.url, this.options.webhooks);
      const { style_from, ...rest } = request;
      const pictures = style_from === undefined ? images : await this.#imagesOf(style_from, images);
      const asked = { ...rest, style_images: pictures.length };
      const options = this.#optionsOf(id, asked);
      await this.options.admission.check(options);
      const stored = { ...asked, steps: options.steps };
      const isKnown = this.queue.get(id) !== null;
      try {
        if (!isKnown) {
          await this.#removeFolder(id); // of a job that is no longer known
          await this.#writeImages(id, pictures);
        }
        const submitted = this.queue.submit({
          id,
          request: stored,
          owner,
          priority: request.priority,
          idempotencyKey,
          fingerprint: fingerprintOf(stored, pictures),
        });
        if (submitted.job.id !== id) await this.#removeFolder(id);
        return submitted;
      } catch (error) {
        if (!isKnown) await this.#removeFolder(id);
        if (error instanceof QueueFullError) {
          const detail = `Cannot queue the adaptation: ${error.message}; try later`;
          throw new ServiceError("busy", detail);
        }
        if (error instanceof ReusedError) {
          const what = isKnown ? `id "${id}"` : `Idempotency-Key "${idempotencyKey}"`;
          const detail = `Cannot take the ${what}: ${error.message}; use a new one`;
          throw new ServiceError("conflict", detail);
        }
        throw error;
      }
    });
  }

  /** Throws a ServiceError where there is none. */
  get(id: string): AdaptationJob {
    const job = this.queue.get(id);
    if (job) return job;
    throw new ServiceError("not_found", `Cannot find the adaptation "${id}"`);
  }

  page(options: { state?: JobState; before?: number; limit: number }) {
    const { jobs, next } = this.options.store.page(options);
    return { jobs: jobs as AdaptationJob[], next };
  }

  /** Adaptations that generators came of, newest first. */
  succeeded(): AdaptationJob[] {
    return this.options.store.inStates("succeeded").reverse() as AdaptationJob[];
  }

  cancel(id: string): AdaptationJob {
    const job = this.get(id);
    if (isFinal(job.state)) {
      throw new ServiceError("conflict", `Cannot cancel the adaptation: it has ${job.state}`);
    }
    return this.queue.cancel(id)!;
  }

  /** Ends an adaptation that learns, with a generator of what it has reached. */
  finish(id: string): AdaptationJob {
    const job = this.get(id);
    // Before its first step there is nothing to keep.
    if (job.state === "processing" && this.queue.finish(id)) return job;
    throw new ServiceError("conflict", `Cannot finish the adaptation: it is ${job.state}`);
  }

  /** Calls it by another name; null for none. */
  rename(id: string, name: string | null): AdaptationJob {
    const { name: _, ...request } = this.get(id).request;
    return this.queue.amend(id, { ...request, ...name !== null && { name } });
  }

  /** Deletes an adaptation that has ended, with its generator. */
  delete(id: string): Promise<void> {
    return this.#folders.run(id, async () => {
      const job = this.get(id);
      if (!isFinal(job.state)) {
        throw new ServiceError(
          "conflict",
          `Cannot delete the adaptation: it is ${job.state}; cancel it`,
        );
      }
      await this.options.gpu.call("forget", { delta: this.deltaPath(id) });
      await this.#removeFolder(id);
      this.queue.delete(id);
    });
  }

  /** Resolves when the adaptation has ended, or `signal` is aborted. */
  ended(id: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        unsubscribe();
        signal.removeEventListener("abort", end);
        resolve();
      };
      const unsubscribe = this.queue.subscribe((job) => {
        if (job.id === id && isFinal(job.state)) end();
      });
      signal.addEventListener("abort", end);
      if (signal.aborted || isFinal(this.get(id).state)) end();
    });
  }

  /** Those that have ended after that time. */
  endedSince(time: number): AdaptationJob[] {
    const ended = this.options.store.inStates("succeeded", "failed", "canceled");
    return ended.filter(({ finishedAt }) => finishedAt! > time) as AdaptationJob[];
  }

  /** The folder of everything that belongs to it. */
  folderOf(id: string): string {
    return join(this.options.folder, id);
  }

  /** 0 for the one that is started next; null for one that does not wait. */
  positions(): Map<string, number> {
    return new Map(this.queue.waiting().map(({ id }, i) => [id, i]));
  }

  /** How far it is. */
  async progress({ id, state, request, result }: AdaptationJob): Promise<Progress> {
    const { steps } = request;
    const seen = this.feed.progress(id, steps);
    if (seen && !isFinal(state)) return seen;
    const last = state === "queued" ? null : await this.feed.last(id);
    return {
      step: result?.stepsDone ?? last?.step ?? 0,
      steps,
      loss: last?.loss ?? null,
      stepsPerSecond: seen?.stepsPerSecond ?? null,
      etaSeconds: null,
    };
  }

  /** Names of the files that clients may have. */
  async files(id: string): Promise<string[]> {
    const folder = this.#runFolder(id);
    const [own, samples] = await Promise.all(
      ["", "samples"].map((below) =>
        Array.fromAsync(Deno.readDir(join(folder, below))).catch(() => [])
      ),
    );
    return [...own!.map(({ name }) => name), ...samples!.map(({ name }) => `samples/${name}`)]
      .filter((name) => FILES.test(name)).sort();
  }

  /** The path of one of these files. Throws a ServiceError for any other name. */
  async file(id: string, name: string): Promise<string> {
    const { id: own } = this.get(id);
    const path = join(this.#runFolder(own), name);
    if (FILES.test(name) && await exists(path) && (await Deno.lstat(path)).isFile) return path;
    throw new ServiceError(
      "not_found",
      `Cannot find the file "${name}" of the adaptation "${own}"`,
    );
  }

  deltaPath(id: string): string {
    return join(this.#runFolder(id), "adapted.safetensors");
  }

  async #run(job: Job<StoredRequest>, context: JobContext): Promise<AdaptDone> {
    const { id, request } = job;
    const options = this.#optionsOf(id, request);
    const folder = this.#runFolder(id);
    await Deno.mkdir(this.folderOf(id), { recursive: true });
    let begun = 0;
    return await this.options.gpu.call("adapt", { folder, options }, {
      signal: context.signal,
      onEvent: (event) => {
        const told = event as AdaptEvent;
        if (told.type === "start") {
          begun = told.done;
          context.processing();
        }
        // A state was kept since: the next attempt would not begin where this one did.
        if (told.type === "step" && told.entry.step >= begun + CHECKPOINT_EVERY) context.advanced();
        this.feed.tell(id, told);
      },
    });
  }

  #optionsOf(id: string, request: AdaptationRequest & { readonly style_images: number }) {
    const { start_from } = request;
    let start: string | null = null;
    if (start_from !== undefined) {
      const earlier = this.queue.get(start_from);
      if (earlier?.state !== "succeeded") {
        throw new ServiceError(
          "invalid_request",
          `Cannot start from the adaptation "${start_from}": ` +
            (earlier ? `it is ${earlier.state}` : "there is none"),
          { field: "start_from" },
        );
      }
      start = this.deltaPath(start_from);
    }
    const styleImages = request.style_images > 0 ? this.#styleFolder(id) : null;
    return runOptions(request, this.options.models, { start, styleImages });
  }

  /** The pictures that an earlier adaptation came with. */
  async #imagesOf(id: string, given: readonly UploadedImage[]): Promise<UploadedImage[]> {
    const folder = this.#styleFolder(id);
    const entries = await Array.fromAsync(Deno.readDir(folder)).catch(() => []);
    if (entries.length === 0 || given.length > 0) {
      const reason = given.length > 0 ? "pictures came with the request as well" : "it has none";
      throw new ServiceError(
        "invalid_request",
        `Cannot take the pictures of the adaptation "${id}": ${reason}`,
      );
    }
    const names = entries.map(({ name }) => name).sort();
    return await Promise.all(
      names.map(async (name) => ({ name, bytes: await Deno.readFile(join(folder, name)) })),
    );
  }

  async #writeImages(id: string, images: readonly UploadedImage[]): Promise<void> {
    if (images.length === 0) return;
    const folder = this.#styleFolder(id);
    await Deno.mkdir(folder, { recursive: true });
    for (const [i, { bytes }] of images.entries()) {
      // What it is, its first bytes say; readers go by the ending only to find pictures.
      await writeFileAtomic(join(folder, `${String(i).padStart(3, "0")}.png`), bytes);
    }
    // The folders above are new as well, and to outlive a power cut.
    await syncFolder(this.folderOf(id));
    await syncFolder(this.options.folder);
  }

  /** Under its own name the folder is there whole or not at all. */
  async #removeFolder(id: string): Promise<void> {
    const folder = this.folderOf(id);
    if (!await exists(folder)) return;
    const leaving = join(this.options.folder, `.deleted-${id}`);
    await Deno.rename(folder, leaving);
    await Deno.remove(leaving, { recursive: true });
  }

  #styleFolder(id: string): string {
    return join(this.folderOf(id), "style");
  }

  #runFolder(id: string): string {
    return join(this.folderOf(id), "run");
  }
}

function fingerprintOf(request: StoredRequest, images: readonly UploadedImage[]): string {
  const hash = createHash("sha256").update(JSON.stringify(request));
  for (const { bytes } of images) hash.update(createHash("sha256").update(bytes).digest());
  return hash.digest("hex");
}
