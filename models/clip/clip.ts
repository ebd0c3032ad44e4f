/** A CLIP model on the device: features of texts and images, and its image tower for other graphs. */
import { UserError } from "../../lib/errors.ts";
import type { Gpu } from "../../lib/gpu/device.ts";
import { DeviceTensor } from "../../lib/graph/device_tensor.ts";
import { Program } from "../../lib/graph/program.ts";
import { input, numel, state, type Tensor } from "../../lib/graph/tensor.ts";
import { release } from "../../lib/release.ts";
import type { Architecture } from "./architecture.ts";
import { type ImageStages, imageStages, largestInTransformer, largestTensor } from "./image.ts";
import type { Tower } from "./names.ts";
import { preprocess, type ResizeVariant } from "./preprocess.ts";
import { encodeText } from "./text.ts";
import { tokenize } from "./tokenizer.ts";
import type { Parameters } from "./transformer.ts";
import { type ClipFile, openClipFile } from "./weights.ts";

/** Images of one size, `[n, 3, h, w]`. */
export interface ImageBatch {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** What graphs need of a model: its image tower, which `Clip` puts on the device. */
export interface ImageTower {
  /** Features `[n, features]`, not of unit length, of images `[n, 3, h, w]` in [-1, 1]. */
  imageFeatures(image: Tensor, variant?: ResizeVariant): Tensor;
}

/** The image tower of a file, for graphs that are planned and never run. */
export function imageTower(file: ClipFile): ImageTower {
  const { image } = file.architecture;
  return {
    imageFeatures: (pixels, variant = "bicubic") =>
      imageStages(leaves(file, "image"), image, preprocess(pixels, image.imageSize, variant))
        .features,
  };
}

/** More at a time gains no speed, and takes memory. */
const MAX_BATCH = 16;

/**
 * Weights are read when they are first needed: those of the image tower stay on the device until
 * `dispose()`, those of the text tower only while texts are encoded.
 */
export class Clip implements ImageTower {
  readonly #gpu: Gpu;
  readonly #file: ClipFile;
  readonly #imageParameters: Parameters;
  /** Weights that stay until `dispose()`. */
  readonly #kept: DeviceTensor[] = [];
  #imageState: Promise<Record<string, DeviceTensor>> | undefined;

  private constructor(gpu: Gpu, file: ClipFile) {
    this.#gpu = gpu;
    this.#file = file;
    this.#imageParameters = leaves(file, "image");
  }

  /** Opens a model as `openClipFile` does; nothing is put on the device yet. */
  static async open(gpu: Gpu, path: string): Promise<Clip> {
    return new Clip(gpu, await openClipFile(path));
  }

  /** The file that holds the weights. */
  get file(): string {
    return this.#file.file;
  }

  /** The sentences to put a class name into: the model's own, if it has some. */
  get templates(): readonly string[] {
    return this.#file.templates;
  }

  get architecture(): Architecture {
    return this.#file.architecture;
  }

  /** Memory of the weights that stay on the device. */
  get heldBytes(): number {
    return this.#kept.reduce((sum, { range }) => sum + range.bytes, 0);
  }

  /** What cosines of features are multiplied by to become logits. */
  logitScale(): Promise<number> {
    return this.#file.logitScale();
  }

  /**
   * Features `[n, features]`, not of unit length, of images `[n, 3, h, w]` in [-1, 1], as a graph.
   * Its leaves are states; a program that uses it is compiled with what `imageState()` gives.
   */
  imageFeatures(image: Tensor, variant: ResizeVariant = "bicubic"): Tensor {
    return this.imageStages(image, variant).features;
  }

  /** The same with what the tower computes on the way to them, as its kind has it. */
  imageStages(image: Tensor, variant: ResizeVariant = "bicubic"): ImageStages {
    return this.#stages(preprocess(image, this.architecture.image.imageSize, variant));
  }

  /** Features of pixel values `[n, 3, s, s]` that are preprocessed already. */
  pixelFeatures(pixels: Tensor): Tensor {
    return this.#stages(pixels).features;
  }

  #stages(pixels: Tensor): ImageStages {
    return imageStages(this.#imageParameters, this.architecture.image, pixels);
  }

  /** The image tower's weights by the names of their state leaves, uploaded at the first call. */
  imageState(): Promise<Readonly<Record<string, DeviceTensor>>> {
    return this.#imageState ??= upload(this.#gpu, this.#file, "image", this.#kept);
  }

  /** Features of texts, not of unit length. Throws a UserError for a text that is too long. */
  async encodeTexts(texts: readonly string[]): Promise<Float32Array[]> {
    return await this.encodeTokens(texts.map((text) => tokenize(text, this.architecture.text)));
  }

  /** The same for texts given as token ids; the highest id of each marks its end. */
  async encodeTokens(texts: readonly (readonly number[])[]): Promise<Float32Array[]> {
    if (texts.length === 0) return [];
    texts.forEach((ids) => checkTokens(ids, this.architecture.text));
    const ends = texts.map((ids) => ids.indexOf(Math.max(...ids)));
    // No token sees those after it, and nothing is read past a text's end.
    const length = Math.max(...ends) + 1;
    const { width } = this.architecture.text;
    const largest = largestInTransformer(this.architecture.text, length);
    const batch = this.#batchSize(texts.length, largest);
    const tokens = input("tokens", [batch, length, width]);
    const end = input("end", [batch, length]);
    const rows = await this.#tokenRows(texts.map((ids, i) => ids.slice(0, ends[i]! + 1)));
    const features = encodeText(leaves(this.#file, "text"), this.architecture.text, {
      tokens,
      end,
    });
    const uploaded: DeviceTensor[] = [];
    try {
      const weights = await upload(this.#gpu, this.#file, "text", uploaded);
      return await this.#inBatches(features, weights, texts.length, batch, (first, count) => {
        const feed = { tokens: zeros(tokens), end: zeros(end) };
        for (let i = 0; i < count; i++) {
          feed.tokens.set(rows[first + i]!, i * length * width);
          feed.end[i * length + ends[first + i]!] = 1;
        }
        return feed;
      });
    } finally {
      uploaded.forEach((tensor) => tensor.dispose());
    }
  }

  /**
   * Features of images, not of unit length. The images are in [-1, 1], of any size from 1x1 on, or,
   * with `"none"`, pixel values that are preprocessed already.
   */
  async encodeImages(
    { shape, data }: ImageBatch,
    variant: ResizeVariant | "none" = "bicubic",
  ): Promise<Float32Array[]> {
    const [count, ...size] = shape as [number, ...number[]];
    const each = numel(size);
    const largest = Math.max(each, largestTensor(this.architecture.image));
    const batch = this.#batchSize(count, largest);
    const images = input("images", [batch, ...size]);
    const features = variant === "none"
      ? this.pixelFeatures(images)
      : this.imageFeatures(images, variant);
    const weights = await this.imageState();
    return this.#inBatches(features, weights, count, batch, (first, taken) => {
      const feed = zeros(images);
      feed.set(data.subarray(first * each, (first + taken) * each));
      return { images: feed };
    });
  }

  /** Frees the device memory and closes the file. */
  dispose(): void {
    this.#file[Symbol.dispose]();
    this.#kept.forEach((tensor) => tensor.dispose());
  }

  /** How many of `count` samples to take at a time, with `largest` elements in one tensor each. */
  #batchSize(count: number, largest: number): number {
    const fitting = Math.floor(this.#gpu.limits.bindingBytes / (4 * largest));
    return Math.max(1, Math.min(count, MAX_BATCH, fitting));
  }

  /** The rows of the token table for each text. Only pieces of the table are ever in memory. */
  async #tokenRows(texts: readonly (readonly number[])[]): Promise<Float32Array[]> {
    const { width } = this.architecture.text;
    const rows = new Map(texts.flat().map((id) => [id, new Float32Array(width)]));
    let start = 0;
    for await (const piece of this.#file.weights.text.get("token")!.pieces()) {
      const end = start + piece.length;
      for (const [id, row] of rows) {
        const [from, to] = [Math.max(start, id * width), Math.min(end, (id + 1) * width)];
        if (from < to) row.set(piece.subarray(from - start, to - start), from - id * width);
      }
      release(piece);
      start = end;
    }
    return texts.map((ids) => {
      const joined = new Float32Array(ids.length * width);
      ids.forEach((id, k) => joined.set(rows.get(id)!, k * width));
      return joined;
    });
  }

  /** Runs `features` `[batch, f]` over `count` samples; the last batch may be partly empty. */
  async #inBatches(
    features: Tensor,
    weights: Readonly<Record<string, DeviceTensor>>,
    count: number,
    batch: number,
    feed: (first: number, count: number) => Record<string, Float32Array<ArrayBuffer>>,
  ): Promise<Float32Array[]> {
    const program = await Program.compile(this.#gpu, { outputs: { features }, state: weights });
    try {
      const results: Float32Array[] = [];
      for (let first = 0; first < count; first += batch) {
        const taken = Math.min(batch, count - first);
        const { features } = await program.run(feed(first, taken), { read: ["features"] });
        const length = this.architecture.features;
        for (let i = 0; i < taken; i++) {
          results.push(features!.slice(i * length, (i + 1) * length));
        }
      }
      return results;
    } finally {
      program.dispose();
    }
  }
}

/** Refuses ids that the model has no rows for. */
function checkTokens(
  ids: readonly number[],
  { contextLength, vocabSize }: Architecture["text"],
): void {
  const isRow = (id: number) => Number.isInteger(id) && id >= 0 && id < vocabSize;
  if (ids.length > 0 && ids.length <= contextLength && ids.every(isRow)) return;
  throw new UserError(
    `Cannot encode the token ids [${ids.slice(0, 80)}]: the model takes 1 to ${contextLength} ` +
      `whole numbers from 0 to ${vocabSize - 1}`,
  );
}

const zeros = (tensor: Tensor) => new Float32Array(numel(tensor.shape));

/** Weights that the host looks up rows of, so that the device never holds them. */
const ON_HOST = new Set(["token"]);

/** The name of a weight's state leaf: of its own for each model, as programs may use several. */
const leafName = (file: ClipFile, tower: Tower, name: string) => `${file.file}: ${tower}.${name}`;

function leaves(file: ClipFile, tower: Tower): Parameters {
  const made = new Map(
    file.weights[tower].entries().map(([name, { shape }]) => [
      name,
      state(leafName(file, tower, name), shape),
    ]),
  );
  return (name) => made.get(name)!;
}

/** Puts a tower's weights on the device, one after the other; `owned` gets each at once. */
async function upload(
  gpu: Gpu,
  file: ClipFile,
  tower: Tower,
  owned: DeviceTensor[],
): Promise<Record<string, DeviceTensor>> {
  const uploaded: Record<string, DeviceTensor> = {};
  for (const [name, weight] of file.weights[tower]) {
    if (ON_HOST.has(name)) continue;
    const label = leafName(file, tower, name);
    await gpu.scoped(() => {
      owned.push(uploaded[label] = new DeviceTensor(gpu, weight.shape, label));
      return Promise.resolve();
    });
    let at = 0;
    for await (const piece of weight.pieces()) {
      uploaded[label]!.write(piece, at);
      at += piece.length;
      release(piece);
      await gpu.settle();
    }
  }
  return uploaded;
}
