/** Images from latents, for commands and previews. */
import { UserError } from "../../lib/errors.ts";
import type { Gpu } from "../../lib/gpu/device.ts";
import { abs, mean } from "../../lib/graph/ops/mod.ts";
import type { Precision } from "../../lib/graph/precision.ts";
import { Program } from "../../lib/graph/program.ts";
import { input, state, type Tensor } from "../../lib/graph/tensor.ts";
import type { DeviceGenerator } from "./device.ts";
import { type Architecture, generatorOf } from "./families.ts";
import { leavesOf, type NoiseMode, noiseOf } from "./generator.ts";
import { truncate } from "./styles.ts";

/** Rows of one kind: z `[count, zSize]`, w `[count, wSize]` or w+ `[count, wCount, wSize]`. */
export type Latents =
  | { readonly z: Float32Array<ArrayBuffer> }
  | { readonly w: Float32Array<ArrayBuffer> }
  | { readonly wPlus: Float32Array<ArrayBuffer> };

export interface SamplerOptions {
  /** Images computed at a time; memory grows with it. */
  readonly batch: number;
  /** "const" when left out. */
  readonly noise?: NoiseMode;
  /** How feature maps are stored; "f32" when left out. Latents are f32 in any case. */
  readonly precision?: Precision;
}

export interface SampleOptions {
  /** Truncation towards the mean w: 1 (when left out) for none, 0 for the mean itself. */
  readonly psi?: number;
  /** Style mixing: from row `crossover` of w+ on, these latents are used; one row for each. */
  readonly mix?: { readonly latents: Latents; readonly crossover: number };
  /** Seed of random noise, a whole number below 2^32; 0 when left out. */
  readonly noiseSeed?: number;
}

export interface Samples {
  readonly count: number;
  /** `[count, 3, resolution, resolution]`, about [-1, 1]. */
  readonly images: Float32Array<ArrayBuffer>;
  /** `[count, wSize]` before truncation and mixing; null where w+ was given. */
  readonly w: Float32Array<ArrayBuffer> | null;
  /** `[count, wCount, wSize]` after both: what the images are made from. */
  readonly wPlus: Float32Array<ArrayBuffer>;
}

/** An image that holds values which are no finite numbers. */
export class NotFiniteError extends UserError {
  override name = "NotFiniteError";
}

export class Sampler {
  private constructor(
    readonly architecture: Architecture,
    readonly batch: number,
    private readonly mapper: Program,
    private readonly synthesizer: Program,
    private readonly precision: Precision,
    private readonly diagnose: () => Promise<Program>,
  ) {}

  /** Compiles the programs for a batch size. They read the generator's tensors as they are then. */
  static async create(
    gpu: Gpu,
    { architecture: a, tensors }: DeviceGenerator,
    { batch, noise = "const", precision = "f32" }: SamplerOptions,
  ): Promise<Sampler> {
    const generator = generatorOf(a);
    const parameters = leavesOf(generator);
    const wPlus = truncate(
      input("w_plus", [batch, a.wCount, a.wSize]),
      state("latent_avg", [a.wSize]),
      input("psi", []),
    );
    const { image, layers } = generator.synthesis(parameters, wPlus, noiseOf(noise, "noise_key"));
    const compile = (outputs: Record<string, Tensor>, precision: Precision) =>
      Program.compile(gpu, { outputs, state: tensors, precision });
    const magnitudes = Object.entries(layers).map(([name, x]) => [name, mean(abs(x))] as const);
    const mapper = await compile({
      w: generator.mapping(parameters, input("z", [batch, a.zSize])),
    }, "f32");
    try {
      const synthesizer = await compile({ image, wPlus }, precision);
      return new Sampler(
        a,
        batch,
        mapper,
        synthesizer,
        precision,
        () => compile(Object.fromEntries(magnitudes), precision),
      );
    } catch (error) {
      mapper.dispose();
      throw error;
    }
  }

  /** Images of all rows given. Throws a NotFiniteError that names the layer where one is not finite. */
  async sample(
    latents: Latents,
    { psi = 1, mix, noiseSeed = 0 }: SampleOptions = {},
  ): Promise<Samples> {
    const { resolution, wSize, wCount } = this.architecture;
    const { w, wPlus: rows } = await this.#styles(latents);
    if (mix) mixRows(rows, (await this.#styles(mix.latents)).wPlus, mix.crossover, wCount, wSize);

    const count = rows.length / (wCount * wSize);
    const images = new Float32Array(count * 3 * resolution ** 2);
    const wPlus = new Float32Array(rows.length);
    await this.#inBatches(rows, wCount * wSize, async (block, start) => {
      const inputs: Record<string, Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>> = {
        w_plus: block,
        psi: Float32Array.of(psi),
        noise_key: Uint32Array.of(noiseSeed, start),
      };
      const result = await this.synthesizer.run(inputs, { read: ["image", "wPlus"] });
      if (!result.image!.every(Number.isFinite)) await this.#refuseBroken(inputs);
      put(images, result.image!, start * 3 * resolution ** 2);
      put(wPlus, result.wPlus!, start * wCount * wSize);
    });
    return { count, images, w, wPlus };
  }

  /** Frees the programs; the generator's tensors live on. */
  dispose(): void {
    this.mapper.dispose();
    this.synthesizer.dispose();
  }

  /** w where there is one, and w+ without truncation. */
  async #styles(latents: Latents) {
    const { zSize, wSize, wCount } = this.architecture;
    if ("wPlus" in latents) {
      checkRows("w+", latents.wPlus, wCount * wSize);
      return { w: null, wPlus: latents.wPlus.slice() };
    }
    let w: Float32Array<ArrayBuffer>;
    if ("w" in latents) {
      checkRows("w", latents.w, wSize);
      w = latents.w.slice();
    } else {
      const count = checkRows("z", latents.z, zSize);
      w = new Float32Array(count * wSize);
      await this.#inBatches(latents.z, zSize, async (z, start) => {
        put(w, (await this.mapper.run({ z }, { read: ["w"] })).w!, start * wSize);
      });
    }
    const wPlus = new Float32Array(w.length * wCount);
    for (let row = 0; row < w.length / wSize; row++) {
      for (let k = 0; k < wCount; k++) {
        wPlus.set(w.subarray(row * wSize, (row + 1) * wSize), (row * wCount + k) * wSize);
      }
    }
    return { w, wPlus };
  }

  /** Calls `run` with blocks of exactly `batch` rows; the last is filled up with copies of its first. */
  async #inBatches(
    rows: Float32Array<ArrayBuffer>,
    size: number,
    run: (block: Float32Array<ArrayBuffer>, start: number) => Promise<void>,
  ): Promise<void> {
    for (let start = 0; start * size < rows.length; start += this.batch) {
      const own = rows.subarray(start * size, (start + this.batch) * size);
      const block = new Float32Array(this.batch * size);
      for (let at = 0; at < block.length; at += size) block.set(own.subarray(0, size), at);
      block.set(own);
      await run(block, start);
    }
  }

  async #refuseBroken(inputs: Parameters<Program["run"]>[0]): Promise<never> {
    const program = await this.diagnose();
    try {
      const read = [...program.plan.outputs.keys()];
      const magnitudes = await program.run(inputs, { read });
      const layer = read.find((name) => !Number.isFinite(magnitudes[name]![0]!)) ?? "unknown";
      throw new NotFiniteError(
        `Cannot render: the image has values that are no finite numbers, first in layer ` +
          `"${layer}"; the weights or latents are out of range, try ${
            this.precision === "f16" ? "--precision f32" : "another checkpoint or seed"
          }`,
      );
    } finally {
      program.dispose();
    }
  }
}

/** Copies as many values as there is room for: the rest belongs to rows that only fill a batch. */
function put(to: Float32Array, from: Float32Array, offset: number): void {
  to.set(from.subarray(0, to.length - offset), offset);
}

/** Number of rows; throws a UserError unless it is whole and positive. */
function checkRows(name: string, data: Float32Array, size: number): number {
  const count = data.length / size;
  if (count >= 1 && Number.isInteger(count)) return count;
  throw new UserError(
    `Cannot sample from ${data.length} values of ${name}: this generator takes rows of ${size}`,
  );
}

/** Replaces rows from `crossover` on, in place. */
function mixRows(
  first: Float32Array,
  second: Float32Array,
  crossover: number,
  wCount: number,
  wSize: number,
): void {
  if (first.length !== second.length) {
    const [one, two] = [first, second].map(({ length }) => length / (wCount * wSize));
    throw new UserError(`Cannot mix ${one} latents with ${two}: give one for each`);
  }
  if (!Number.isInteger(crossover) || crossover < 0 || crossover > wCount) {
    throw new UserError(
      `Cannot mix from layer ${crossover} on: this generator takes whole numbers from 0 to ${wCount}`,
    );
  }
  for (let start = 0; start < first.length; start += wCount * wSize) {
    const [from, to] = [start + crossover * wSize, start + wCount * wSize];
    first.set(second.subarray(from, to), from);
  }
}
