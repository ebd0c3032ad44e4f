/** What a case of the soak is. */

export interface Room {
  /** A folder of its own, removed afterwards. */
  readonly folder: string;
  /** A fresh folder for a server's data. */
  data(name?: string): string;
  /** Flags of the made-up models. */
  readonly models: readonly string[];
  /** Whether to do with little. */
  readonly quick: boolean;
  /** Numbers in [0, 1), the same in every run. */
  readonly random: () => number;
  /** 0, 1, … below `count`; tells now and then how far that is. */
  rounds(count: number): Iterable<number>;
}

export interface Outcome {
  readonly figure: string;
  /** Nothing was lost and no answer was wrong, which no machine is too slow for. */
  readonly isRight: boolean;
  /** Times and memory are within the target, on this machine beside whatever else it does. */
  readonly isWithin: boolean;
}

export interface SoakCase {
  /** Of `--case`. */
  readonly id: string;
  readonly name: string;
  readonly target: string;
  /** Whether it is among those of --quick. */
  readonly quick: boolean;
  run(room: Room): Promise<Outcome>;
}

/** The value below which the share `p` of all values lies. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] ?? NaN;
}

/** Milliseconds that something took. */
export async function timed(action: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await action();
  return performance.now() - started;
}

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export interface Probe {
  /** Ends it. Milliseconds that each answer took. */
  stop(): Promise<number[]>;
}

/** Asks for `url` again and again, in a thread of its own, which what this one does cannot delay. */
export function probe(url: string): Probe {
  const worker = new Worker(new URL("probe.ts", import.meta.url), { type: "module" });
  const { promise, resolve, reject } = Promise.withResolvers<number[]>();
  promise.catch(() => {}); // until it is asked for
  worker.onmessage = ({ data }) => {
    worker.terminate();
    if (typeof data === "string") reject(new Error(data));
    else resolve(data);
  };
  worker.postMessage(url);
  return {
    stop() {
      worker.postMessage(null);
      return promise;
    },
  };
}
