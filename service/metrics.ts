/** Figures for Prometheus. */
import { type Job, JOB_STATES } from "../lib/jobs/mod.ts";
import type { GpuStatus } from "./gpu/work.ts";
import { Histogram, lookedUp, TEXT_FORMAT, toText } from "./prometheus.ts";

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
  readonly #requests = new Histogram({
    name: "nada_http_request_seconds",
    help: "Time until a request was answered; streams count until they begin.",
    bounds: REQUEST_SECONDS,
  });
  readonly #samples = new Histogram({
    name: "nada_sample_seconds",
    help: "Time to draw and encode the images of a request.",
    bounds: REQUEST_SECONDS,
  });
  readonly #steps = new Histogram({
    name: "nada_step_seconds",
    help: "Time of a training step.",
    bounds: STEP_SECONDS,
  });
  readonly #waits = new Histogram({
    name: "nada_job_wait_seconds",
    help: "Time that an adaptation waited.",
    bounds: JOB_SECONDS,
  });
  readonly #jobs = new Histogram({
    name: "nada_job_seconds",
    help: "Time from the start of an adaptation to its end.",
    bounds: JOB_SECONDS,
  });

  constructor(private readonly sources: Sources) {}

  request(labels: { method: string; route: string; status: number }, seconds: number): void {
    this.#requests.observe(seconds, labels);
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
      this.#jobs.observe((finishedAt - startedAt) / 1000, { state });
    }
  }

  /** Prometheus' text format, and its type. */
  text(): { body: string; type: string } {
    const figures = [
      ...[this.#requests, this.#samples, this.#steps, this.#waits, this.#jobs],
      ...this.#lookedUp(),
    ];
    return { body: toText(figures), type: TEXT_FORMAT };
  }

  #lookedUp() {
    const { jobs, waiting, imageCache, gpu } = this.sources;
    const gauge = (name: string, help: string, look: () => number) =>
      lookedUp("gauge", { name, help }, look);
    const counter = (name: string, help: string, look: () => number) =>
      lookedUp("counter", { name, help }, look);
    const device = (read: (status: GpuStatus) => number) => () => {
      const status = gpu();
      return status ? read(status) : 0;
    };
    return [
      lookedUp("gauge", { name: "nada_jobs", help: "Adaptations by state." }, () => {
        const counts = jobs();
        return JOB_STATES.map((state) => [{ state }, counts[state] ?? 0] as const);
      }),
      gauge("nada_queue_length", "Adaptations that wait.", waiting),
      gauge("nada_image_cache_bytes", "Memory of images that are kept.", () => imageCache().bytes),
      counter("nada_image_cache_hits_total", "Images that were kept.", () => imageCache().hits),
      counter("nada_image_cache_misses_total", "Images drawn.", () => imageCache().misses),
      gauge("nada_device_bytes", "Memory allocated on the device.", device((s) => s.bytes)),
      counter("nada_device_lost_total", "Devices that were lost.", device((s) => s.lost)),
      gauge(
        "nada_adapted_cache_bytes",
        "Device memory of adapted generators.",
        device((s) => s.cache.bytes),
      ),
      ...(["hits", "misses", "evictions"] as const).map((event) =>
        counter(
          `nada_adapted_cache_${event}_total`,
          `Adapted generators: ${event} of their cache on the device.`,
          device((s) => s.cache[event]),
        )
      ),
      gauge(
        "process_resident_memory_bytes",
        "Memory of the process.",
        () => Deno.memoryUsage().rss,
      ),
    ];
  }
}
