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

/** Keys of the noise that the two generators add in a step: each draws its own. */
export function noiseKeys(seed: number, step: number) {
  return { frozen: Uint32Array.of(seed, 2 * step), trained: Uint32Array.of(seed, 2 * step + 1) };
}
