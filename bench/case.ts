/** What is measured: a program, what it is fed, and what a peer has to do for the same. */
import type { ProgramSpec } from "../lib/graph/plan.ts";
import type { HostArray, Shape } from "../lib/graph/tensor.ts";

/** `offset + scale * u`, with u made up of mean 0 and deviation 1. */
export interface Filling {
  readonly scale: number;
  readonly offset: number;
}

/** A tensor of made-up values, which follow from its seed alone: the same for every peer. */
export interface MadeUp extends Filling {
  readonly name: string;
  readonly shape: Shape;
  readonly seed: number;
}

export interface Case {
  readonly name: string;
  program(): ProgramSpec;
  /** Values of states and inputs, by name; of deviation 1 and mean 0 when left out. */
  filling?(name: string, shape: Shape): Filling;
  /** Inputs whose values are not made up. */
  readonly inputs?: Readonly<Record<string, HostArray>>;
  /** The output by which peers are compared, after one run from the start. */
  readonly result: string;
  /** Outputs that the host gets in every run; with some, the host's clock is read after that. */
  readonly read?: readonly string[];
  /** "device" adds up the times of all dispatches, "host" has submission and waiting in it. */
  readonly clock: "device" | "host";
  /** Images drawn in a run. */
  readonly images?: number;
  /** What a peer has to do, in the words of `peers/torch.py`; null where there is no such thing. */
  readonly peer: Readonly<Record<string, unknown>> | null;
}

export const NORMAL: Filling = { scale: 1, offset: 0 };

/** Uniform, of deviation 1 before scaling: from integers, so that numpy gives the same bits. */
export function madeUp({ shape, seed, scale, offset }: MadeUp): Float32Array<ArrayBuffer> {
  const count = shape.reduce((product, size) => product * size, 1);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    let h = Math.imul(i, 0x9e3779b1) + Math.imul(seed, 0x85ebca6b) | 0;
    h = Math.imul(h ^ h >>> 15, 0x2c1b3c6d);
    h = Math.imul(h ^ h >>> 13, 0x297a2d39);
    const u = (h >>> 8) / 2 ** 24 - 0.5;
    values[i] = Math.fround(u * Math.sqrt(12)) * scale + offset;
  }
  return values;
}
