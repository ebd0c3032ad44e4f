/** The work in a plan: counted, not measured. */
import { COUNTED_GPU } from "../lib/graph/ops/tiles.ts";
import type { PlannedLaunch } from "../lib/graph/plan.ts";
import { threadsOf } from "../lib/graph/side_by_side.ts";
import type { Peak } from "./peak.ts";

/** What launches have to do. */
export interface Work {
  readonly dispatches: number;
  /** Multiplications and additions. */
  readonly operations: number;
  /** Read and written, each tensor once a dispatch. */
  readonly bytes: number;
}

export function workOf(launches: readonly PlannedLaunch[]): Work {
  return {
    dispatches: launches.length,
    operations: launches.reduce((sum, { operations }) => sum + operations, 0),
    bytes: launches.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** The kernel of a launch, without what was fused into it. */
export const kernelOf = ({ label }: PlannedLaunch): string => label.replace(/\[.*/, "");

/** Threads of a unit that keep the memory busy, and those that keep its lanes busy. */
const BUSY = { memory: 1600, lanes: 512 };

/**
 * Seconds that launches for GPUs take on a large one, counted: one after the other, each as long as the
 * longest of its kernel's cycles, where these are counted, its traffic, and else its operations. What
 * lies between launches is left out.
 */
export function countedSeconds(launches: readonly PlannedLaunch[], peak: Peak): number {
  return launches.reduce((sum, { cost, source, grid, operations, bytes }) => {
    const threads = threadsOf(source) * grid.reduce((a, b) => a * b);
    const busy = (enough: number) => Math.min(1, threads / (COUNTED_GPU.units * enough));
    const moving = bytes / (peak.bytes * busy(BUSY.memory));
    const computing = cost > 0
      ? cost / COUNTED_GPU.hertz
      : operations / (peak.operations * busy(BUSY.lanes));
    return sum + Math.max(moving, computing);
  }, 0);
}
