/** Memory on the device that can be had: what is kept there for requests to come makes way. */
import { DeviceMemoryError } from "../../lib/errors.ts";
import type { Gpu } from "../../lib/gpu/device.ts";
import type { Turns } from "./turns.ts";

/** Keeps what can be had again. */
export interface Cache {
  /** Drops what was used longest ago. False where nothing can go. */
  dropOldest(): boolean;
  /** Drops what was last used before that time, in milliseconds of `performance.now()`. */
  dropUnused(since: number): void;
}

export class Spare {
  /** `caches` in the order in which they give something up: first what is soonest there again. */
  constructor(
    private readonly gpu: Gpu,
    private readonly turns: Turns,
    private readonly caches: readonly Cache[],
  ) {}

  /** Gives up what is kept until so many bytes are free, or nothing is left. */
  async free(bytes: number): Promise<void> {
    using _turn = await this.turns.take();
    this.#free(bytes);
  }

  /** Gives up what nobody has used for so long. */
  async freeUnused(ms: number): Promise<void> {
    using _turn = await this.turns.take();
    this.caches.forEach((cache) => cache.dropUnused(performance.now() - ms));
  }

  /**
   * What `action` gives. Where the device has no memory for it, all that is kept makes way, and it is
   * tried once more. To be called by whoever has the turn.
   */
  async use<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof DeviceMemoryError)) throw error;
      this.#free(Infinity);
      return await action();
    }
  }

  #free(bytes: number): void {
    const isShort = () => (this.gpu.availableBytes ?? 0) < bytes;
    while (isShort() && this.caches.some((cache) => cache.dropOldest()));
  }
}
