/** The latents and the noise of a run, the same for a seed whether it was interrupted or not. */
import { RandomState } from "../../lib/random/numpy.ts";

/** One stream of normal numbers, from which each step takes its batch. */
export class LatentStream {
  readonly #random: RandomState;

  /** `skip` steps have been taken already. */
  constructor(seed: number, private readonly countPerStep: number, skip = 0) {
    this.#random = new RandomState(seed);
    for (let step = 0; step < skip; step++) this.#random.randn(countPerStep);
  }

  next(): Float32Array<ArrayBuffer> {
    return Float32Array.from(this.#random.randn(this.countPerStep));
  }
}

/** What style mixing takes in a step: rows of w+ where `useFirst` is 0 come from the second z. */
export interface Mixing {
  /** `[batch, zSize]` */
  readonly z: Float32Array<ArrayBuffer>;
  /** 1 or 0 for each row of w+, `[wCount]`. */
  readonly useFirst: Float32Array<ArrayBuffer>;
}

/** One stream of second latents and of the rows from which on they count. */
export class MixingStream {
  readonly #random: RandomState;

  /** `skip` steps have been taken already. */
  constructor(
    seed: number,
    private readonly probability: number,
    private readonly sizes: { readonly wCount: number; readonly countPerStep: number },
    skip = 0,
  ) {
    this.#random = new RandomState(seed);
    for (let step = 0; step < skip; step++) this.next();
  }

  next(): Mixing {
    const { wCount, countPerStep } = this.sizes;
    const z = Float32Array.from(this.#random.randn(countPerStep));
    const [chance, place] = this.#random.randomSample(2);
    const mixes = chance! < this.probability;
    // At least one row of each, as in the reference.
    const from = mixes ? 1 + Math.floor(place! * (wCount - 1)) : wCount;
    return { z, useFirst: Float32Array.from({ length: wCount }, (_, row) => Number(row < from)) };
  }
}

/** Keys of the noise that the two generators add in a step: each draws its own. */
export function noiseKeys(seed: number, step: number) {
  return { frozen: Uint32Array.of(seed, 2 * step), trained: Uint32Array.of(seed, 2 * step + 1) };
}
