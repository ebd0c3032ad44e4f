/** Runs stored jobs one at a time, and once each to the end, through every kind of restart. */
import { isFinal, type Job, type JobError, QueueFullError, ReusedError } from "./job.ts";
import type { JobStore } from "./store.ts";

/** What a job's handler is told. */
export interface JobContext {
  /** Aborted when the job is to end or the process stops: end soon, and keep what there is. */
  readonly signal: AbortSignal;
  /** To be called once the job has begun its work. */
  processing(): void;
  /** To be called when the job has got further than any attempt before. */
  advanced(): void;
}

export interface QueueOptions<Request, Result> {
  readonly store: JobStore;
  /** Does the job, or goes on with it where an earlier attempt left off. */
  run(job: Job<Request>, context: JobContext): Promise<Result>;
  /** What a failure is called, and whether another attempt may succeed. */
  judge(error: unknown): JobError & { readonly retry: boolean };
  /** Jobs that may wait. */
  readonly maxQueued: number;
}

export interface Submission<Request> {
  /** A new one, or the one that this submission had before. */
  readonly id: string;
  readonly request: Request;
  readonly owner: string;
  readonly priority?: number;
  readonly idempotencyKey?: string | null;
  readonly fingerprint: string;
}

interface Running {
  readonly id: string;
  readonly stop: AbortController;
  /** Why it was told to stop. */
  reason: "canceled" | "finished" | "interrupted" | null;
}

/** A job that ends the process, or its device, so often without getting further is given up. */
const MAX_ATTEMPTS = 10;
/** An error that may pass is given one more try, unless the one before was this recent. */
const RETRY_PAUSE_MS = 60_000;
/** Before a change that could not be written is tried again. */
const FULL_DISK_PAUSE_MS = 500;

export class JobQueue<Request, Result> {
  #running: Running | null = null;
  #ended: Promise<void> = Promise.resolve();
  #stopped = true;
  readonly #listeners = new Set<(job: Job<Request, Result>) => void>();

  constructor(private readonly options: QueueOptions<Request, Result>) {}

  /** Calls `listener` after every change of a job's state. Returns how to end that. */
  subscribe(listener: (job: Job<Request, Result>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Stores a job; once this returns it will be run. With the id or the key of an earlier one it gives
   * that one back. Throws a QueueFullError, and a ReusedError where the earlier one asked for something
   * else.
   */
  submit(
    { id, request, owner, priority = 0, idempotencyKey = null, fingerprint }: Submission<Request>,
  ): { job: Job<Request, Result>; isNew: boolean } {
    const byKey = () => idempotencyKey === null ? null : this.#store.byKey(owner, idempotencyKey);
    const earlier = this.#store.get(id) ?? byKey();
    if (earlier && earlier.fingerprint !== fingerprint) {
      throw new ReusedError("it was used for another request");
    }
    if (earlier) return { job: earlier as Job<Request, Result>, isNew: false };
    if (this.waiting().length >= this.options.maxQueued) {
      throw new QueueFullError(`${this.options.maxQueued} jobs wait already`);
    }
    const job: Job<Request, Result> = {
      id,
      state: "queued",
      priority,
      request,
      result: null,
      error: null,
      createdAt: Date.now(),
      startedAt: null,
      finishedAt: null,
      attempts: 0,
      owner,
      idempotencyKey,
      fingerprint,
    };
    this.#put(job);
    this.#wake();
    return { job, isNew: true };
  }

  get(id: string): Job<Request, Result> | null {
    return this.#store.get(id) as Job<Request, Result> | null;
  }

  /** The id of the job that is worked on. */
  get running(): string | null {
    return this.#running?.id ?? null;
  }

  /** Jobs that wait, in the order in which they will be started. */
  waiting(): Job<Request, Result>[] {
    const jobs = this.#store.inStates("interrupted", "queued") as Job<Request, Result>[];
    const rank = ({ state, priority }: Job) => state === "interrupted" ? Infinity : priority;
    return jobs.sort((a, b) => rank(b) === rank(a) ? 0 : rank(b) - rank(a));
  }

  /** Forgets a job that has ended. */
  delete(id: string): void {
    this.#store.delete(id);
  }

  /** Cancels a job that has not ended, at once where it waits, else as soon as its handler ends. */
  cancel(id: string): Job<Request, Result> | null {
    const job = this.get(id);
    if (!job || isFinal(job.state) || this.#tell(id, "canceled")) return job;
    return this.#change(job, { state: "canceled", finishedAt: Date.now() });
  }

  /** Lets the running job end early and succeed with what it has. False where it does not run. */
  finish(id: string): boolean {
    return this.#tell(id, "finished");
  }

  /** Replaces what was asked for; what runs by now goes on as it began. */
  amend(id: string, request: Request): Job<Request, Result> {
    return this.#change(this.get(id)!, { request });
  }

  /** Takes up what the last process left, and then whatever comes. */
  start(): void {
    for (const job of this.#store.inStates("starting", "processing")) {
      this.#change(job as Job<Request, Result>, { state: "interrupted" });
    }
    this.#stopped = false;
    this.#wake();
  }

  /** Starts nothing more, and interrupts the running job; returns when its handler has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#running) this.#tell(this.#running.id, "interrupted");
    await this.#ended;
  }

  /** Tells the job to stop, if it runs; the first reason holds. */
  #tell(id: string, reason: NonNullable<Running["reason"]>): boolean {
    const running = this.#running;
    if (running?.id !== id) return false;
    running.reason ??= reason;
    running.stop.abort();
    return true;
  }

  get #store(): JobStore {
    return this.options.store;
  }

  #wake(): void {
    if (this.#stopped || this.#running) return;
    const [next] = this.waiting();
    if (!next) return;
    const running: Running = { id: next.id, stop: new AbortController(), reason: null };
    this.#running = running;
    // Only a change that could not be written while the process ends gets here as an error.
    this.#ended = this.#run(next, running).catch(() => {}).finally(() => {
      this.#running = null;
      this.#wake();
    });
  }

  async #run(
    queued: Job<Request, Result>,
    running: Running,
  ): Promise<void> {
    let job = queued;
    let lastRetry = -Infinity;
    const change = async (fields: Partial<Job<Request, Result>>) => {
      job = await this.#persist(job, fields);
    };
    const end = (fields: Partial<Job<Request, Result>>) =>
      change({ ...fields, finishedAt: Date.now() });
    for (;;) {
      if (job.attempts >= MAX_ATTEMPTS) {
        const detail = `It was started ${MAX_ATTEMPTS} times, and the process ended each time ` +
          `before it got any further`;
        return await end({ state: "failed", error: { code: "crashed", detail } });
      }
      await change({
        state: "starting",
        startedAt: job.startedAt ?? Date.now(),
        attempts: job.attempts + 1,
      });
      try {
        const result = await this.options.run(job, {
          signal: running.stop.signal,
          // Of little weight: where the disk refuses them, the next change brings them along.
          processing: () => {
            if (job.state === "starting") job = this.#try(job, { state: "processing" });
          },
          advanced: () => {
            if (job.attempts > 0) job = this.#try(job, { attempts: 0 });
          },
        });
        if (running.reason === "interrupted") return await change({ state: "interrupted" });
        if (running.reason === "canceled") return await end({ state: "canceled", result });
        return await end({ state: "succeeded", result });
      } catch (error) {
        if (running.reason === "interrupted") return await change({ state: "interrupted" });
        if (running.reason === "canceled") return await end({ state: "canceled" });
        const { retry, code, detail } = this.options.judge(error);
        const now = performance.now();
        if (!retry || now - lastRetry < RETRY_PAUSE_MS) {
          return await end({ state: "failed", error: { code, detail } });
        }
        lastRetry = now;
      }
    }
  }

  /** Changes a job even where the disk takes nothing for a while: what was done is not forgotten. */
  async #persist(
    job: Job<Request, Result>,
    fields: Partial<Job<Request, Result>>,
  ): Promise<Job<Request, Result>> {
    for (;;) {
      try {
        return this.#change(job, fields);
      } catch (error) {
        if (this.#stopped) throw error; // the next start finds it as it was
        await new Promise((resolve) => setTimeout(resolve, FULL_DISK_PAUSE_MS));
      }
    }
  }

  #try(job: Job<Request, Result>, fields: Partial<Job<Request, Result>>): Job<Request, Result> {
    try {
      return this.#change(job, fields);
    } catch {
      return { ...job, ...fields };
    }
  }

  #change(job: Job<Request, Result>, fields: Partial<Job<Request, Result>>): Job<Request, Result> {
    // What is asked for may have been amended since `job` was read.
    const { request } = this.get(job.id) ?? job;
    const changed = { ...job, request, ...fields };
    this.#put(changed);
    return changed;
  }

  #put(job: Job<Request, Result>): void {
    this.#store.put(job);
    for (const listener of this.#listeners) listener(job);
  }
}
