/** Figures for Prometheus. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { type Job, JOB_STATES } from "../lib/jobs/mod.ts";
import type { GpuStatus } from "./gpu/work.ts";

/** Where figures come from that are looked up when somebody asks. */
export interface Sources {
  jobs(): Partial<Record<string, number>>;
  waiting(): number;
  imageCache(): { readonly hits: number; readonly misses: number; readonly bytes: number };
  /** What was last known of the device. */
  gpu(): GpuStatus | null;
}

const REQUEST_SECONDS = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60];
const STEP_SECONDS = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];
const JOB_SECONDS = [1, 5, 15, 60, 300, 900, 3600, 14400];

export class Metrics {
  readonly #registry = new Registry();
  readonly #requests;
  readonly #samples;
  readonly #steps;
  readonly #waits;
  readonly #jobs;

  constructor(sources: Sources) {
    const registers = [this.#registry];
    this.#requests = new Histogram({
      name: "nada_http_request_seconds",
      help: "Time until a request was answered; streams count until they begin.",
      labelNames: ["method", "route", "status"],
      buckets: REQUEST_SECONDS,
      registers,
    });
    this.#samples = new Histogram({
      name: "nada_sample_seconds",
      help: "Time to draw and encode the images of a request.",
      buckets: REQUEST_SECONDS,
      registers,
    });
    this.#steps = new Histogram({
      name: "nada_step_seconds",
      help: "Time of a training step.",
      buckets: STEP_SECONDS,
      registers,
    });
    this.#waits = new Histogram({
      name: "nada_job_wait_seconds",
      help: "Time that an adaptation waited.",
      buckets: JOB_SECONDS,
      registers,
    });
    this.#jobs = new Histogram({
      name: "nada_job_seconds",
      help: "Time from the start of an adaptation to its end.",
      labelNames: ["state"],
      buckets: JOB_SECONDS,
      registers,
    });
    new Gauge({
      name: "nada_jobs",
      help: "Adaptations by state.",
      labelNames: ["state"],
      registers,
      collect() {
        const counts = sources.jobs();
        for (const state of JOB_STATES) this.set({ state }, counts[state] ?? 0);
      },
    });
    const gauge = (name: string, help: string, value: () => number) =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(value());
        },
      });
    const counter = (name: string, help: string, value: () => number) =>
      new Counter({
        name,
        help,
        registers,
        collect() {
          this.reset();
          this.inc(value());
        },
      });
    gauge("nada_queue_length", "Adaptations that wait.", sources.waiting);
    gauge(
      "nada_image_cache_bytes",
      "Memory of images that are kept.",
      () => sources.imageCache().bytes,
    );
    counter(
      "nada_image_cache_hits_total",
      "Images that were kept.",
      () => sources.imageCache().hits,
    );
    counter(
      "nada_image_cache_misses_total",
      "Images that were drawn.",
      () => sources.imageCache().misses,
    );
    const device = (read: (status: GpuStatus) => number) => () => {
      const status = sources.gpu();
      return status ? read(status) : 0;
    };
    gauge("nada_device_bytes", "Memory that is allocated on the device.", device((s) => s.bytes));
    counter("nada_device_lost_total", "Devices that were lost.", device((s) => s.lost));
    gauge(
      "nada_adapted_cache_bytes",
      "Device memory of adapted generators.",
      device((s) => s.cache.bytes),
    );
    for (const event of ["hits", "misses", "evictions"] as const) {
      counter(
        `nada_adapted_cache_${event}_total`,
        `Adapted generators: ${event} of their cache on the device.`,
        device((s) => s.cache[event]),
      );
    }
    gauge(
      "process_resident_memory_bytes",
      "Memory of the process.",
      () => Deno.memoryUsage().rss,
    );
  }

  request(labels: { method: string; route: string; status: number }, seconds: number): void {
    this.#requests.observe(labels, seconds);
  }

  sample(seconds: number): void {
    this.#samples.observe(seconds);
  }

  step(seconds: number): void {
    this.#steps.observe(seconds);
  }

  /** Counts a job whose state has changed. */
  job({ state, createdAt, startedAt, finishedAt, attempts }: Job): void {
    if (state === "starting" && attempts === 1) {
      this.#waits.observe((startedAt! - createdAt) / 1000);
    }
    if (finishedAt !== null && startedAt !== null) {
      this.#jobs.observe({ state }, (finishedAt - startedAt) / 1000);
    }
  }

  /** Prometheus' text format, and its type. */
  async text(): Promise<{ body: string; type: string }> {
    return { body: await this.#registry.metrics(), type: this.#registry.contentType };
  }
}
