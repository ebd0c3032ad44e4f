/** Memory planning: where in few large buffers each stored tensor lives, and for how long. */
import { GpuError } from "../errors.ts";

/** A tensor's lifetime in launches, both ends included. */
export interface Lifetime<T> {
  readonly tensor: T;
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

export interface Place {
  readonly arena: number;
  readonly offset: number;
}

export interface MemoryPlan<T> {
  readonly places: ReadonlyMap<T, Place>;
  /** Bytes of each buffer. */
  readonly arenas: readonly number[];
}

/** Storage bindings must begin at multiples of this. */
const ALIGNMENT = 256;

/**
 * Places tensors so that those alive at the same time do not overlap: the largest first, each at
 * the lowest offset that is free during its whole life. No arena grows beyond `maxArenaBytes`.
 */
export function planMemory<T>(
  lifetimes: readonly Lifetime<T>[],
  maxArenaBytes: number,
): MemoryPlan<T> {
  const places = new Map<T, Place>();
  const arenas: number[] = [];
  const placed: (Lifetime<T> & Place & { end: number })[] = [];
  for (const life of lifetimes.toSorted((a, b) => b.bytes - a.bytes || a.first - b.first)) {
    const size = Math.ceil(life.bytes / ALIGNMENT) * ALIGNMENT;
    if (size > maxArenaBytes) {
      throw new GpuError(
        `Cannot allocate ${mebibytes(size)} for one tensor: the adapter allows ` +
          `${mebibytes(maxArenaBytes)} per buffer; use a smaller batch`,
      );
    }
    for (let arena = 0;; arena++) {
      const busy = placed.filter((other) =>
        other.arena === arena && other.first <= life.last && life.first <= other.last
      ).sort((a, b) => a.offset - b.offset);
      let offset = 0;
      for (const other of busy) {
        if (offset + size <= other.offset) break;
        offset = Math.max(offset, other.end);
      }
      if (offset + size > maxArenaBytes) continue;
      arenas[arena] = Math.max(arenas[arena] ?? 0, offset + size);
      places.set(life.tensor, { arena, offset });
      placed.push({ ...life, arena, offset, end: offset + size });
      break;
    }
  }
  return { places, arenas };
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
