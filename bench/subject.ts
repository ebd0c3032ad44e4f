/** Whatever can be timed. */
import type { ProgramSpec } from "../lib/graph/plan.ts";
import type { MadeUp } from "./case.ts";
import type { Work } from "./work.ts";

/** The work of all dispatches of a kernel, and how long they took. */
export interface KernelTime extends Work {
  readonly kernel: string;
  readonly seconds: number;
}

/** Seconds of one run. */
export interface Timing {
  readonly seconds: number;
  /** Of all processors together. */
  readonly cpu: number;
}

export interface Subject extends Disposable {
  /** null where no program is what takes the time. */
  readonly work: Work | null;
  /** Device memory that is held while it runs. */
  readonly memoryBytes: number | null;
  /** Images in a run. */
  readonly images?: number | undefined;
  /** Whether a run's seconds leave out what the host does for it. */
  readonly deviceOnly?: boolean;
  /** Seconds of one run. */
  run(): Promise<number>;
  /** The shortest time of each dispatch, added up by kernel, the longest first. */
  byKernel?(): Promise<KernelTime[]>;
  /** null where a peer can do nothing comparable. */
  readonly peer: PeerWork | null;
}

/** The same work in the words of `peers/torch_peer.py`. */
export interface PeerWork {
  readonly work: Readonly<Record<string, unknown>>;
  readonly tensors: readonly MadeUp[];
  /** Whether the host gets the result of every run. */
  readonly read: boolean;
  /** Root mean square of the result, as computed here; null where there is nothing to compare. */
  readonly result: number | null;
}

/** Subjects are opened one by one, so that each has the memory to itself. */
export interface Opener {
  readonly name: string;
  /** What it runs, where that is a program. */
  program?(): ProgramSpec;
  open(): Promise<Subject>;
}
