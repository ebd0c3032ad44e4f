/** Images of the same latents from a generator and from what became of it. */
import { UserError } from "../../../lib/errors.ts";
import type { Gpu } from "../../../lib/gpu/device.ts";
import { imagesFromTensor, resizeBicubic, type RgbImage } from "../../../lib/image/mod.ts";
import type { ResizeVariant } from "../../clip/preprocess.ts";
import { fittingBatch } from "../../generator/batch.ts";
import type { DeviceGenerator } from "../../generator/device.ts";
import { latentsFromSeeds } from "../../generator/latents.ts";
import { Sampler } from "../../generator/sampler.ts";
import { unitVector } from "../vectors.ts";
import type { Observer } from "./observer.ts";
import { laplacianVariance } from "./sharpness.ts";

/** Two generators of one architecture. */
export interface GeneratorPair {
  readonly frozen: DeviceGenerator;
  readonly adapted: DeviceGenerator;
}

export interface Sides<T> {
  readonly before: T;
  readonly after: T;
}

/** Images `[n, 3, r, r]`, about [-1, 1]: all of before, then all of after; n is twice the seeds. */
interface PairImages {
  readonly shape: readonly [n: number, channels: 3, height: number, width: number];
  readonly data: Float32Array<ArrayBuffer>;
}

export class PairSampler {
  private constructor(
    private readonly before: Sampler,
    private readonly after: Sampler,
    private readonly truncation: number,
  ) {}

  /** With the generators' stored noise, so that a seed gives the same images each time. */
  static async create(
    gpu: Gpu,
    { frozen, adapted }: GeneratorPair,
    { truncation, count }: { truncation: number; count: number },
  ): Promise<PairSampler> {
    const fitting = fittingBatch(frozen.architecture, gpu.limits.bindingBytes);
    const batch = Math.min(fitting, count);
    const before = await Sampler.create(gpu, frozen, { batch });
    try {
      const after = await Sampler.create(gpu, adapted, { batch });
      return new PairSampler(before, after, truncation);
    } catch (error) {
      before.dispose();
      throw error;
    }
  }

  /** As many seeds as are best drawn at a time. */
  get chunk(): number {
    const { batch, architecture: { resolution } } = this.before;
    const wanted = Math.min(MAX_CHUNK, Math.floor(CHUNK_BYTES / (24 * resolution ** 2)));
    return Math.max(batch, wanted - wanted % batch);
  }

  /** Throws a NotFiniteError where an image has values that are no finite numbers. */
  async sample(seeds: readonly number[]): Promise<PairImages> {
    const { resolution, zSize } = this.before.architecture;
    const z = latentsFromSeeds(seeds, zSize);
    const size = seeds.length * 3 * resolution ** 2;
    const data = new Float32Array(2 * size);
    data.set((await this.before.sample({ z }, { psi: this.truncation })).images);
    data.set((await this.after.sample({ z }, { psi: this.truncation })).images, size);
    return { shape: [2 * seeds.length, 3, resolution, resolution], data };
  }

  [Symbol.dispose](): void {
    this.before.dispose();
    this.after.dispose();
  }
}

/** Pairs that are in memory at a time: few enough to show progress, and 256 MiB of images. */
const MAX_CHUNK = 32;
const CHUNK_BYTES = 256 * 2 ** 20;

export interface LookOptions {
  readonly seeds: readonly number[];
  /** How images are resized for CLIP. */
  readonly resize: ResizeVariant;
  /** Keeps the images, reduced to at most so many pixels a side. */
  readonly keepSide?: number;
  /** Told how many pairs are done. */
  readonly onProgress?: (done: number) => void;
}

/** What is kept of the images. */
export interface Looked {
  /** By observer: features `[d]` at length 1, one a seed. */
  readonly features: readonly Sides<Float32Array[]>[];
  /** Of each image. */
  readonly sharpness: Sides<number[]>;
  /** The images, where they are to be kept. */
  readonly images: Sides<RgbImage[]>;
}

/**
 * Draws every seed with both generators and shows the images to all observers. Throws a UserError
 * where one gives features that are no direction.
 */
export async function look(
  sampler: PairSampler,
  observers: readonly Observer[],
  { seeds, resize, keepSide, onProgress }: LookOptions,
): Promise<Looked> {
  const features = observers.map((): Sides<Float32Array[]> => ({ before: [], after: [] }));
  const sharpness: Sides<number[]> = { before: [], after: [] };
  const kept: Sides<RgbImage[]> = { before: [], after: [] };
  for (let start = 0; start < seeds.length; start += sampler.chunk) {
    const taken = seeds.slice(start, start + sampler.chunk);
    const images = await sampler.sample(taken);
    const pictures = imagesFromTensor(images.data, images.shape);
    split(pictures.map(laplacianVariance), sharpness);
    if (keepSide) split(pictures.map((picture) => reduced(picture, keepSide)), kept);
    for (const [k, { name, clip }] of observers.entries()) {
      const units = (await clip.encodeImages(images, resize)).map(unitVector);
      const broken = units.findIndex((vector) => !vector.every(Number.isFinite));
      if (broken >= 0) {
        throw new UserError(
          `Cannot judge seed ${taken[broken % taken.length]}: the CLIP model "${name}" gives its ` +
            `image features that are no finite numbers; try another checkpoint or model`,
        );
      }
      split(units, features[k]!);
    }
    onProgress?.(start + taken.length);
  }
  return { features, sharpness, images: kept };
}

/** The picture itself, or with the larger of its sides as `side`. */
function reduced(picture: RgbImage, side: number): RgbImage {
  const ratio = side / Math.max(picture.width, picture.height);
  if (ratio >= 1) return picture;
  const to = (length: number) => Math.round(ratio * length);
  return resizeBicubic(picture, to(picture.width), to(picture.height));
}

/** Adds values of before and after, in this order, to theirs. */
function split<T>(values: readonly T[], { before, after }: Sides<T[]>): void {
  before.push(...values.slice(0, values.length / 2));
  after.push(...values.slice(values.length / 2));
}
