/** LPIPS on the device: distances of many images to each other. */
import { UserError } from "../../lib/errors.ts";
import type { Gpu } from "../../lib/gpu/device.ts";
import { DeviceTensor } from "../../lib/graph/device_tensor.ts";
import { assign } from "../../lib/graph/ops/mod.ts";
import { Program } from "../../lib/graph/program.ts";
import { input, numel, state, type Tensor } from "../../lib/graph/tensor.ts";
import { type RgbImage, tensorFromImages } from "../../lib/image/mod.ts";
import { type Backbone, LAYERS, MIN_SIDE, pairDistances, unitFeatures } from "./network.ts";
import type { LpipsWeights } from "./weights.ts";

/** More at a time gains little, and the features of a block stay in memory. */
const MAX_BLOCK = 8;

export interface LpipsDistances {
  readonly count: number;
  /** `[count, count]`, symmetric. */
  readonly data: Float32Array<ArrayBuffer>;
}

/** Throws a UserError for square images that the network's layers would leave nothing of. */
export function checkSide({ backbone }: Pick<LpipsWeights, "backbone">, side: number): void {
  const smallest = MIN_SIDE[backbone];
  if (side >= smallest) return;
  throw new UserError(
    `Cannot compare images of ${side}x${side} by LPIPS with ${backbone}: its layers need ` +
      `${smallest}x${smallest} at least; leave --lpips out`,
  );
}

export class Lpips {
  readonly #gpu: Gpu;
  readonly #weights: Map<string, DeviceTensor>;

  private constructor(
    gpu: Gpu,
    readonly backbone: Backbone,
    weights: Map<string, DeviceTensor>,
  ) {
    this.#gpu = gpu;
    this.#weights = weights;
  }

  /** Puts the weights on the device. */
  static async create(gpu: Gpu, { backbone, tensors }: LpipsWeights): Promise<Lpips> {
    const uploaded = new Map<string, DeviceTensor>();
    try {
      for (const [name, { shape, data }] of tensors) {
        await gpu.scoped(() => {
          uploaded.set(name, new DeviceTensor(gpu, shape, `LPIPS ${name}`, data));
          return Promise.resolve();
        });
      }
    } catch (error) {
      uploaded.forEach((tensor) => tensor.dispose());
      throw error;
    }
    return new Lpips(gpu, backbone, uploaded);
  }

  /**
   * Distances of every two images of one size. Images are taken in blocks: the features of one block
   * stay on the device while all blocks up to it are compared with it, so that memory does not grow
   * with the number of images.
   */
  async distances(
    images: readonly RgbImage[],
    onProgress?: (share: number) => void,
  ): Promise<LpipsDistances> {
    using blocks = await this.#blocks(images);
    const { block, pixels } = blocks;
    const count = images.length;
    const data = new Float32Array(count * count);
    const starts = Array.from({ length: Math.ceil(count / block) }, (_, i) => i * block);
    for (const [row, start] of starts.entries()) {
      await blocks.keep(pixels(images, start));
      for (const other of starts.slice(0, row + 1)) {
        const part = await blocks.distances(pixels(images, other));
        for (let i = 0; i < Math.min(block, count - start); i++) {
          for (let j = 0; j < Math.min(block, count - other); j++) {
            const [at, to] = [start + i, other + j];
            data[at * count + to] = data[to * count + at] = part[i * block + j]!;
          }
        }
      }
      onProgress?.((row + 1) * (row + 2) / (starts.length * (starts.length + 1)));
    }
    return { count, data };
  }

  /** Distance of each image on the left to that in the same place on the right. */
  async between(left: readonly RgbImage[], right: readonly RgbImage[]): Promise<number[]> {
    using blocks = await this.#blocks(left);
    const { block, pixels } = blocks;
    const distances: number[] = [];
    for (let start = 0; start < left.length; start += block) {
      await blocks.keep(pixels(left, start));
      const part = await blocks.distances(pixels(right, start));
      for (let i = 0; i < Math.min(block, left.length - start); i++) {
        distances.push(part[i * block + i]!);
      }
    }
    return distances;
  }

  dispose(): void {
    this.#weights.forEach((tensor) => tensor.dispose());
  }

  /** Images whose largest feature map the adapter can bind at a time. */
  #blockSize(width: number, height: number): number {
    checkSide(this, Math.min(width, height));
    const one = this.#features(input("one", [1, 3, height, width]));
    const largest = Math.max(...one.map(({ shape }) => numel(shape)));
    const fitting = Math.floor(this.#gpu.limits.bindingBytes / (4 * largest));
    return Math.max(1, Math.min(MAX_BLOCK, fitting));
  }

  #leaf(name: string): Tensor {
    return state(name, this.#weights.get(name)!.shape);
  }

  #features(images: Tensor): Tensor[] {
    const leaves = new Map([...this.#weights.keys()].map((name) => [name, this.#leaf(name)]));
    return unitFeatures((name) => leaves.get(name)!, LAYERS[this.backbone], images);
  }

  /** Programs for blocks of these images: one keeps features, one compares others with them. */
  async #blocks(images: readonly RgbImage[]) {
    const { width, height } = images[0]!;
    const block = Math.min(images.length, this.#blockSize(width, height));
    const shape = [block, 3, height, width];
    /** The last block is filled up with its first image; the distances of that are left out. */
    const pixels = (of: readonly RgbImage[], start: number) => {
      const taken = of.slice(start, start + block);
      return tensorFromImages([...taken, ...Array(block - taken.length).fill(taken[0]!)]).data;
    };
    const owned = new DisposableStack();
    try {
      const features = this.#features(input("images", shape));
      const kept = await this.#gpu.scoped(() =>
        Promise.resolve(features.map((map, k) =>
          owned.adopt(
            new DeviceTensor(this.#gpu, map.shape, `LPIPS features ${k}`),
            (tensor) => tensor.dispose(),
          )
        ))
      );
      const leaves = features.map((map, k) => state(`kept ${k}`, map.shape));
      const states = {
        ...Object.fromEntries(this.#weights),
        ...Object.fromEntries(kept.map((tensor, k) => [`kept ${k}`, tensor])),
      };
      const compile = async (spec: Omit<Parameters<typeof Program.compile>[1], "state">) =>
        owned.adopt(
          await Program.compile(this.#gpu, { ...spec, state: states }),
          (program) => program.dispose(),
        );
      const keep = await compile({
        outputs: {},
        updates: features.map((value, k) => assign({ state: leaves[k]!, value }, {}, "kept")),
      });
      const compare = await compile({
        outputs: { distances: pairDistances((name) => this.#leaf(name), leaves, features) },
      });
      return {
        block,
        pixels,
        keep: async (images: Float32Array<ArrayBuffer>) => void await keep.run({ images }),
        distances: async (images: Float32Array<ArrayBuffer>) =>
          (await compare.run({ images }, { read: ["distances"] })).distances!,
        [Symbol.dispose]: () => owned.dispose(),
      };
    } catch (error) {
      owned.dispose();
      throw error;
    }
  }
}
