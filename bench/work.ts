/** The work in a plan: counted, not measured. */
import type { PlannedLaunch } from "../lib/graph/plan.ts";

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
