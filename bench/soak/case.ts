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

/** Asks for `path` again and again until `stop`, and returns how long each answer took. */
export async function probe(url: string, stop: AbortSignal, everyMs = 20): Promise<number[]> {
  const times: number[] = [];
  while (!stop.aborted) {
    times.push(
      await timed(async () => {
        const response = await fetch(url);
        await response.body?.cancel();
        if (!response.ok) throw new Error(`${url} answered ${response.status}`);
      }),
    );
    await pause(everyMs);
  }
  return times;
}
