/** Where the patches of a run lie, the same for a seed whether it was interrupted or not. */
import { RandomState } from "../../lib/random/numpy.ts";
import { patchSize } from "./losses/mod.ts";

/** Keeps the positions apart from the latents of the same seed; any other number would do. */
const OTHER_STREAM = 0x9e3779b9;

export interface PatchedImages {
  readonly height: number;
  readonly width: number;
  /** Patches in all images of a step. */
  readonly patches: number;
}

/** One stream of random corners, from which each step takes those of its patches. */
export class PatchStream {
  readonly #random: RandomState;

  /** `skip` steps have been taken already. */
  constructor(seed: number, private readonly images: PatchedImages, skip = 0) {
    this.#random = new RandomState((seed ^ OTHER_STREAM) >>> 0);
    for (let step = 0; step < skip; step++) this.next();
  }

  /**
   * Row and column of each patch's first pixel, `[patches, 2]`: a patch may lie anywhere but, as in
   * the reference, at the last row and column.
   */
  next(): Uint32Array<ArrayBuffer> {
    const { height, width, patches } = this.images;
    const size = patchSize(height, width);
    const places = [height - size, width - size];
    const uniform = this.#random.randomSample(2 * patches);
    return Uint32Array.from(uniform, (u, i) => Math.floor(u * places[i % 2]!));
  }
}
