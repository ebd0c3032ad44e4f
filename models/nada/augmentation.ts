/**
 * Images as CLIP would see them from a little elsewhere: a random window, perhaps mirrored, the same
 * for both images of a pair. It keeps the generator from textures that please CLIP in one place only.
 */
import { RandomState } from "../../lib/random/numpy.ts";
import { add, crop, matmul, mul, reshape, sub } from "../../lib/graph/ops/mod.ts";
import { constant, dims, type Tensor } from "../../lib/graph/tensor.ts";

export const AUGMENTATIONS = ["none", "crop-flip"] as const;
export type Augmentation = typeof AUGMENTATIONS[number];

/** One augmentation of a batch. */
export interface Windows<T> {
  /** Row and column of each window's first pixel, u32 `[n, 2]`. */
  readonly corners: T;
  /** 1 where the window is mirrored, 0 where it is not, `[n]`. */
  readonly mirrored: T;
}

/** Side of the windows of images of a side. */
export function windowSize(side: number): number {
  return Math.max(1, Math.round(side * 7 / 8));
}

/** Windows `[n, c, s, s]` of square images `[n, c, h, h]`. */
export function augment(images: Tensor, { corners, mirrored }: Windows<Tensor>): Tensor {
  const { n, c, h } = dims(images, "n c h w");
  const s = windowSize(h);
  const windows = crop({ x: images, corners }, { size: [s, s] });
  const reversal = new Float32Array(s * s);
  for (let i = 0; i < s; i++) reversal[i * s + s - 1 - i] = 1;
  const rows = reshape(windows, [n * c * s, s]);
  const mirrors = reshape(matmul({ a: rows, b: constant(reversal, [s, s]) }, {}), [n, c, s, s]);
  const share = reshape(mirrored, [n, 1, 1, 1]);
  return add(mul(windows, sub(1, share)), mul(mirrors, share));
}

/** One stream of random windows, from which each step takes those of its batch. */
export class WindowStream {
  readonly #random: RandomState;

  /** `skip` steps have been taken already. */
  constructor(
    seed: number,
    private readonly side: number,
    private readonly batch: number,
    skip = 0,
  ) {
    this.#random = new RandomState(seed);
    for (let step = 0; step < skip; step++) this.next();
  }

  next(): { corners: Uint32Array<ArrayBuffer>; mirrored: Float32Array<ArrayBuffer> } {
    const places = this.side - windowSize(this.side) + 1;
    const uniform = this.#random.randomSample(3 * this.batch);
    return {
      corners: Uint32Array.from(
        { length: 2 * this.batch },
        (_, i) => Math.floor(uniform[i]! * places),
      ),
      mirrored: Float32Array.from(
        { length: this.batch },
        (_, i) => Number(uniform[2 * this.batch + i]! < 0.5),
      ),
    };
  }
}
