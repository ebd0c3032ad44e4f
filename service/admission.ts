/** Refuses adaptations that could never be done, before they are stored. */
import type { AdaptOptions } from "../models/nada/options.ts";
import type { Remote } from "./calls.ts";
import { failureOf } from "./failure.ts";
import type { GpuStatus, GpuWork } from "./gpu/work.ts";
import type { PlanningWork } from "./planning/work.ts";

/** Verdicts that are kept. */
const MOST_KNOWN = 256;

export class Admission {
  #device: Promise<GpuStatus> | null = null;
  readonly #verdicts = new Map<string, Promise<void>>();

  constructor(
    private readonly gpu: Remote<GpuWork>,
    private readonly planning: Remote<PlanningWork>,
  ) {}

  /**
   * Throws a ServiceError for a run that takes more memory than the device has with nothing else on it.
   * Where nobody knows how much that is, or there is no device now, the run itself will show.
   */
  async check(options: AdaptOptions): Promise<void> {
    const device = await this.#describe();
    if (device?.memoryBytes == null) return;
    const { kind, limits, memoryBytes } = device;
    const key = JSON.stringify(shapeOf(options));
    const verdict = this.#verdicts.get(key) ??
      this.planning.call("checkFits", { options, kind, limits, memoryBytes });
    this.#keep(key, verdict);
    try {
      await verdict;
    } catch (error) {
      // Anything else may pass the next time.
      if (failureOf(error).code !== "does_not_fit") this.#verdicts.delete(key);
      throw error;
    }
  }

  #keep(key: string, verdict: Promise<void>): void {
    this.#verdicts.delete(key);
    this.#verdicts.set(key, verdict);
    const [oldest] = this.#verdicts.keys();
    if (this.#verdicts.size > MOST_KNOWN) this.#verdicts.delete(oldest!);
  }

  /** What stays the same for as long as the process lives. */
  async #describe(): Promise<GpuStatus | null> {
    try {
      return await (this.#device ??= this.gpu.call("status", null));
    } catch {
      this.#device = null;
      return null;
    }
  }
}

/** The options without those that make a run no larger: what many requests have in common. */
function shapeOf(options: AdaptOptions): Partial<AdaptOptions> {
  const { trainGenerator, styleImages, ...rest } = options;
  return {
    ...rest,
    ...{ source: "", targets: [], seed: 0, steps: 1, lr: 1, lrSchedule: "constant" },
    ...{ sampleEvery: 0, sampleTruncation: 0, stopOn: null, textWeight: 0 },
    trainGenerator: trainGenerator === null ? null : "",
    styleImages: styleImages === null ? null : "",
  };
}
