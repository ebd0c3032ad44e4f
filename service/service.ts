/** Everything that lives as long as the process: models, jobs, the GPU's worker, caches. */
import { join } from "node:path";
import { JobStore } from "../lib/jobs/mod.ts";
import { Adaptations } from "./adaptations.ts";
import { type Remote, WorkerRemote } from "./calls.ts";
import type { ServiceConfig } from "./config.ts";
import { failureOf } from "./failure.ts";
import { Generators } from "./generators.ts";
import type { GpuWork } from "./gpu/work.ts";
import type { ImageWork } from "./images/work.ts";
import { Models } from "./models.ts";
import { Samples } from "./samples.ts";

/** Those who do the heavy work. */
export interface Workers {
  readonly gpu: Remote<GpuWork>;
  readonly images: Remote<ImageWork>;
}

/** One thread for the GPU and one for encoding, so that requests are answered whatever they do. */
export function startWorkers({ gpuCacheBytes }: ServiceConfig): Workers {
  return {
    gpu: new WorkerRemote<GpuWork>(
      () => new Worker(new URL("./gpu/worker.ts", import.meta.url), { type: "module" }),
      { cacheBytes: gpuCacheBytes },
    ),
    images: new WorkerRemote<ImageWork>(
      () => new Worker(new URL("./images/worker.ts", import.meta.url), { type: "module" }),
      {},
    ),
  };
}

export class Service {
  readonly #closing = new AbortController();

  private constructor(
    readonly config: ServiceConfig,
    readonly workers: Workers,
    readonly store: JobStore,
    readonly models: Models,
    readonly adaptations: Adaptations,
    readonly generators: Generators,
    readonly samples: Samples,
  ) {}

  /** Opens everything and takes up the jobs that were left. Throws a UserError where it cannot. */
  static async open(config: ServiceConfig, workers: Workers): Promise<Service> {
    const models = await Models.open(config);
    const folder = join(config.data, "adaptations");
    await Deno.mkdir(folder, { recursive: true });
    await sweep(folder);
    const store = JobStore.open(join(config.data, "jobs.db"));
    store.damage.forEach((line) => console.error(`jobs.db: ${line}`));
    const { gpu, images } = workers;
    const adaptations = new Adaptations({
      store,
      folder,
      models,
      gpu,
      maxQueued: config.maxQueued,
    });
    const generators = new Generators(models, adaptations);
    const samples = new Samples(generators, gpu, images, config.imageCacheBytes);
    adaptations.queue.start();
    return new Service(config, workers, store, models, adaptations, generators, samples);
  }

  /** Why requests cannot be served now; null if they can. */
  async notReady(): Promise<string | null> {
    try {
      this.store.probe();
      await Deno.lstat(join(this.config.data, "adaptations"));
      await this.workers.gpu.call("status", null);
      return null;
    } catch (error) {
      return failureOf(error).detail;
    }
  }

  /** Aborted when the service begins to close: those who follow something are to let go. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Interrupts the running job, which goes on after the next start, and closes the store. */
  async close(): Promise<void> {
    this.#closing.abort();
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
