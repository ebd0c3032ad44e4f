/** The random choices of one step: the same for a seed, whether training was interrupted or not. */
import { RandomState } from "../../../lib/random/numpy.ts";

/** Spreads seeds and steps over all seeds, away from the small ones that people pick. */
const SPREAD = 0x9e3779b1;

export class StepRandom {
  readonly #random: RandomState;
  /** For random numbers on the device: u32 `[2]`. */
  readonly key: Uint32Array<ArrayBuffer>;

  constructor(seed: number, step: number) {
    this.#random = new RandomState(
      (Math.imul(seed + 1, SPREAD) ^ Math.imul(step, 0x85ebca6b)) >>> 0,
    );
    this.key = Uint32Array.of(seed, step);
  }

  /** From 0 to 1, without 1. */
  uniform = (): number => this.#random.randomSample(1)[0]!;

  /** A whole number from 0 to `count - 1`. */
  whole(count: number): number {
    return Math.floor(count * this.uniform());
  }

  normal(): number {
    return this.#random.randn(1)[0]!;
  }

  normals(count: number): Float32Array<ArrayBuffer> {
    return Float32Array.from(this.#random.randn(count));
  }

  /** `count` different items in random order. */
  some<T>(items: readonly T[], count: number): T[] {
    const left = [...items];
    return Array.from({ length: count }, () => left.splice(this.whole(left.length), 1)[0]!);
  }
}
