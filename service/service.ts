/** Everything that lives as long as the process: models, jobs, the GPU's worker, caches. */
import { join } from "node:path";
import { JobStore } from "../lib/jobs/mod.ts";
import { adaptationView } from "./adaptation_view.ts";
import { Adaptations } from "./adaptations.ts";
import { Admission } from "./admission.ts";
import { type Remote, WorkerRemote } from "./calls.ts";
import type { ServiceConfig } from "./config.ts";
import { failureOf, ServiceError } from "./failure.ts";
import { exists } from "./files.ts";
import { Generators } from "./generators.ts";
import type { GpuOptions } from "./gpu/host.ts";
import type { GpuStatus, GpuWork } from "./gpu/work.ts";
import type { ImageWork } from "./images/work.ts";
import { Models } from "./models.ts";
import { createLog, type Log } from "./log.ts";
import { Metrics } from "./metrics.ts";
import type { PlanningWork } from "./planning/work.ts";
import { Samples } from "./samples.ts";
import { Tokens } from "./tokens.ts";
import { Walks } from "./walks.ts";
import { Webhooks } from "./webhooks.ts";

/** Those who do the heavy work. */
export interface Workers {
  readonly gpu: Remote<GpuWork>;
  readonly images: Remote<ImageWork>;
  readonly planning: Remote<PlanningWork>;
}

/**
 * One thread for the GPU, one for encoding and one for planning, so that requests are answered
 * whatever they do.
 */
export function startWorkers(config: ServiceConfig): Workers {
  return {
    gpu: new WorkerRemote<GpuWork>(
      () => new Worker(new URL("./gpu/worker.ts", import.meta.url), { type: "module" }),
      gpuOptions(config),
    ),
    images: new WorkerRemote<ImageWork>(
      () => new Worker(new URL("./images/worker.ts", import.meta.url), { type: "module" }),
      {},
    ),
    planning: new WorkerRemote<PlanningWork>(
      () => new Worker(new URL("./planning/worker.ts", import.meta.url), { type: "module" }),
      {},
    ),
  };
}

/** What the GPU's worker is told. */
export function gpuOptions(config: ServiceConfig): GpuOptions {
  return {
    // Beside what requests may have: the usual folder is closed to a server.
    tuningFolder: join(config.data, "kernels"),
    cacheBytes: config.gpuCacheBytes,
    memoryBytes: config.gpuMemoryBytes,
    keepAliveMs: config.keepAliveMs,
  };
}

/** What is known of the device. */
export interface Device {
  /** Its last word; null where it was never open. */
  readonly status: GpuStatus | null;
  /** Why it could not be asked the last time; null if it could. */
  readonly problem: string | null;
  /** When it was first open, in milliseconds since 1970. */
  readonly openedAt: number | null;
}

/** How long the device may take to say how it is: it may be compiling. */
const STATUS_MS = 1_500;

export class Service {
  readonly #closing = new AbortController();
  readonly metrics: Metrics;
  readonly samples: Samples;
  readonly walks: Walks;
  readonly #webhooks: Webhooks;
  readonly startedAt = Date.now();
  #device: Device = { status: null, problem: null, openedAt: null };

  private constructor(
    readonly config: ServiceConfig,
    readonly workers: Workers,
    readonly log: Log,
    readonly store: JobStore,
    readonly models: Models,
    readonly tokens: Tokens,
    readonly adaptations: Adaptations,
    readonly generators: Generators,
  ) {
    this.metrics = new Metrics({
      jobs: () => store.counts(),
      waiting: () => adaptations.queue.waiting().length,
      imageCache: () => this.samples.cache,
      gpu: () => this.#device.status,
    });
    const { gpu, images } = workers;
    this.samples = new Samples(
      generators,
      gpu,
      images,
      config.imageCacheBytes,
      (seconds) => this.metrics.sample(seconds),
    );
    this.walks = new Walks(this.samples, images);
    adaptations.feed.onStep((_, { ms }) => this.metrics.step(ms / 1000));
    adaptations.queue.subscribe((job) => {
      this.metrics.job(job);
      const { id, state, error } = job;
      log.info(`Adaptation ${state}`, { adaptation: id, ...error && { error: error.detail } });
    });
    this.#webhooks = new Webhooks({
      config: config.webhooks,
      adaptations,
      log,
      view: (job) => adaptationView(adaptations, job),
    });
  }

  /** Opens everything and takes up the jobs that were left. Throws a UserError where it cannot. */
  static async open(
    config: ServiceConfig,
    workers: Workers,
    log: Log = createLog(config.logFormat),
  ): Promise<Service> {
    const models = await Models.open(config);
    const folder = join(config.data, "adaptations");
    await Deno.mkdir(folder, { recursive: true });
    await sweep(folder);
    const tokens = await Tokens.open(config.data);
    const store = JobStore.open(join(config.data, "jobs.db"));
    store.damage.forEach((damage) => log.error("jobs.db is damaged", { damage }));
    const adaptations = new Adaptations({
      store,
      folder,
      models,
      gpu: workers.gpu,
      admission: new Admission(workers.gpu, workers.planning),
      maxQueued: config.maxQueued,
      webhooks: config.webhooks,
      log,
    });
    const exports = join(config.data, "exports");
    await Deno.remove(exports, { recursive: true }).catch(() => {}); // of a process that was killed
    const generators = new Generators(models, adaptations, workers.images, exports);
    const service = new Service(
      config,
      workers,
      log,
      store,
      models,
      tokens,
      adaptations,
      generators,
    );
    service.#webhooks.start();
    adaptations.queue.start();
    return service;
  }

  /** Why requests cannot be served now; null if they can. */
  async notReady(): Promise<string | null> {
    const reason = await this.storeProblem();
    if (reason !== null) return reason;
    try {
      await this.refreshDevice();
      return null;
    } catch (error) {
      return failureOf(error).detail;
    }
  }

  /** Why nothing can be kept on the disk now; null if it can. */
  async storeProblem(): Promise<string | null> {
    try {
      this.store.probe();
    } catch (error) {
      return `Cannot write to jobs.db: ${(error as Error).message}`;
    }
    const isThere = await exists(join(this.config.data, "adaptations")).catch(() => false);
    return isThere ? null : "Cannot find the folder of the adaptations: it is gone";
  }

  /** What is known of the device. */
  get device(): Device {
    return this.#device;
  }

  /**
   * Asks the device how it is, and opens it where it is not open. One that is known and busy with
   * something long is taken at its last word.
   */
  async refreshDevice(waitMs = STATUS_MS): Promise<void> {
    const asked = this.workers.gpu.call("status", null);
    asked.then(
      (status) =>
        this.#device = { status, problem: null, openedAt: this.#device.openedAt ?? Date.now() },
      (error) => this.#device = { ...this.#device, problem: failureOf(error).detail },
    );
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => reject(new ServiceError("busy", "Cannot reach the device: it does not answer")),
      waitMs,
    );
    try {
      await Promise.race([asked, late]);
    } catch (error) {
      if (failureOf(error).code !== "busy" || !this.#device.status) throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Aborted when the service begins to close: those who follow something are to let go. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Interrupts the running job, which goes on after the next start, and closes the store. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#webhooks.stop();
    await this.adaptations.queue.stop();
    this.store[Symbol.dispose]();
  }
}

/** Removes what a process that ended at a bad moment has left half done. */
async function sweep(folder: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (/^\.deleted-/.test(name) || /^\..*\.tmp$/.test(name)) {
      await Deno.remove(path, { recursive: true });
    } else if (isDirectory) {
      await sweep(path);
    }
  }
}
