/** CLIP models in files: OpenAI's `.pt` and Hugging Face folders, under one naming. */
import { dirname, join } from "node:path";
import { type Checkpoint, openCheckpoint, type TensorEntry } from "../../lib/checkpoint/mod.ts";
import { CheckpointError } from "../../lib/errors.ts";
import { type Architecture, configuredSettings, openaiSettings } from "./architecture.ts";
import {
  countBlocks,
  HALLMARKS,
  type Layout,
  LOGIT_SCALE,
  type Place,
  type SizeName,
  type Tower,
  towerPlaces,
} from "./names.ts";

/** A weight of a tower; nothing but its description is in memory before `read()`. */
export interface Weight {
  readonly shape: readonly number[];
  /** All values; throws a CheckpointError where one is NaN or infinite. */
  read(): Promise<Float32Array<ArrayBuffer>>;
}

/** An open CLIP model. */
export interface ClipFile extends Disposable {
  readonly file: string;
  readonly architecture: Architecture;
  /** The weights of each tower by the names of `names.ts`, as in "blocks.0.qkv.weight". */
  readonly weights: Readonly<Record<Tower, ReadonlyMap<string, Weight>>>;
  /** What cosines of features are multiplied by to become logits. */
  logitScale(): Promise<number>;
}

/**
 * Opens a model: a `.pt` of OpenAI's (TorchScript archive or state dict), or the folder of a
 * Hugging Face CLIPModel. Every tensor is checked for presence and shape; values are read later.
 *
 * Throws a CheckpointError that says what is wrong with the file, or what it is instead.
 */
export async function openClipFile(path: string): Promise<ClipFile> {
  const checkpoint = await openCheckpoint(await modelFile(path));
  try {
    const { file } = checkpoint;
    const layout = recogniseLayout(checkpoint);
    const config = layout === "huggingface" ? await readConfig(file) : null;
    const settings = (tower: Tower, width: number) =>
      layout === "openai"
        ? openaiSettings(tower, width, file)
        : configuredSettings(config, tower, width, file);
    const image = readTower(checkpoint, layout, "image");
    const text = readTower(checkpoint, layout, "text");
    if (image.sizes.features !== text.sizes.features) {
      throw new CheckpointError(
        `Cannot load CLIP from "${file}": its images have ${image.sizes.features} features and ` +
          `its texts ${text.sizes.features}; as many were expected`,
      );
    }
    const { width, hidden, patch } = image.sizes;
    const scale = tensorOf(checkpoint, LOGIT_SCALE);
    fitShape(scale, [], image.sizes, file);
    return {
      file,
      architecture: {
        features: image.sizes.features,
        image: {
          width,
          hidden,
          blocks: image.blocks,
          ...settings("image", width),
          imageSize: patch * patchesPerSide(image.sizes.positions, file),
          patchSize: patch,
        },
        text: {
          width: text.sizes.width,
          hidden: text.sizes.hidden,
          blocks: text.blocks,
          ...settings("text", text.sizes.width),
          contextLength: text.sizes.positions,
          vocabSize: text.sizes.vocabulary,
        },
      },
      weights: { image: image.weights, text: text.weights },
      logitScale: async () => Math.exp((await readFinite(scale, file))[0]!),
      [Symbol.dispose]: () => checkpoint.close(),
    };
  } catch (error) {
    checkpoint.close();
    throw error;
  }
}

/** Names that the weights have in a Hugging Face folder. */
const WEIGHT_FILES = ["model.safetensors", "pytorch_model.bin"];

/** The file with the weights: `path` itself, or what a Hugging Face folder has, null if nothing. */
export async function findWeights(path: string): Promise<string | null> {
  const isFolder = await Deno.stat(path).then((info) => info.isDirectory, () => false);
  if (!isFolder) return path;
  for (const name of WEIGHT_FILES) {
    const file = join(path, name);
    if (await Deno.stat(file).then((info) => info.isFile, () => false)) return file;
  }
  return null;
}

async function modelFile(path: string): Promise<string> {
  const file = await findWeights(path);
  if (file !== null) return file;
  throw new CheckpointError(
    `Cannot load CLIP from "${path}": the folder has no "${WEIGHT_FILES.join('" and no "')}"; ` +
      `give a folder as Hugging Face has it, with config.json and the weights in one file`,
  );
}

async function readConfig(file: string): Promise<unknown> {
  const path = join(dirname(file), "config.json");
  try {
    return JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    const state = error instanceof SyntaxError ? "is not JSON" : "cannot be read";
    throw new CheckpointError(
      `Cannot load CLIP from "${file}": "${path}", which says how many heads it has, ${state}; ` +
        `copy the file that came with the model`,
      { cause: error },
    );
  }
}

function recogniseLayout({ file, tensors }: Checkpoint): Layout {
  if (tensors.has(HALLMARKS.resnet)) {
    throw new CheckpointError(
      `Cannot load CLIP from "${file}": it is a ResNet CLIP; nada reads the ViT kind, such as ` +
        `ViT-B/32`,
    );
  }
  if (tensors.has(HALLMARKS.openai)) return "openai";
  if (tensors.has(HALLMARKS.huggingface)) return "huggingface";
  const found = tensors.keys().take(3).map((name) => `"${name}"`).toArray().join(", ");
  throw new CheckpointError(
    `Cannot load CLIP from "${file}": it is no CLIP model, its ${tensors.size} tensors ` +
      `(${found || "none"}${tensors.size > 3 ? ", …" : ""}) have neither "${HALLMARKS.openai}" ` +
      `nor "${HALLMARKS.huggingface}"; give a .pt of OpenAI's or the folder of a Hugging Face ` +
      `CLIPModel`,
  );
}

function patchesPerSide(positions: number, file: string): number {
  const side = Math.sqrt(positions - 1);
  if (Number.isInteger(side) && side > 0) return side;
  throw new CheckpointError(
    `Cannot load CLIP from "${file}": its images have ${positions} positions; one for the class ` +
      `and a square number for patches were expected`,
  );
}

interface TowerContents {
  sizes: Record<SizeName, number>;
  blocks: number;
  weights: Map<string, Weight>;
}

/** The weights of a tower, every shape checked against the sizes that the first ones define. */
function readTower(checkpoint: Checkpoint, layout: Layout, tower: Tower): TowerContents {
  const blocks = countBlocks(layout, tower, checkpoint.tensors.keys());
  const sizes: Record<SizeName, number> = {
    width: 0,
    hidden: 0,
    positions: 0,
    features: 0,
    patch: 0,
    vocabulary: 0,
  };
  const weights = new Map<string, Weight>();
  // A tower needs one block to know its sizes; where there is none, the error names what is missing.
  for (const place of towerPlaces(layout, tower, Math.max(1, blocks))) {
    const parts = place.sources.map((source) => tensorOf(checkpoint, source));
    const axes = partAxes(place);
    for (const part of parts) fitShape(part, axes, sizes, checkpoint.file);
    const shape = place.shape.map((axis) => axisSize(axis, sizes));
    const read = () => readWeight(place, parts, checkpoint.file);
    weights.set(place.name, { shape, read });
  }
  return { sizes, blocks, weights };
}

function tensorOf({ file, tensors }: Checkpoint, name: string): TensorEntry {
  const tensor = tensors.get(name);
  if (!tensor) {
    throw new CheckpointError(
      `Cannot load CLIP from "${file}": "${name}" is missing; the file may be of another model, ` +
        `or part of one`,
    );
  }
  if (!/^b?f\d+$/.test(tensor.dtype)) {
    throw new CheckpointError(
      `Cannot load "${name}" from "${file}": it has elements of type ${tensor.dtype}; f32, f16, ` +
        `bf16 or f64 was expected`,
    );
  }
  return tensor;
}

/** The axes of each tensor in the file that a weight is made from. */
function partAxes({ shape, sources, transposed }: Place): string[] {
  const axes = shape.map((axis) => axis.replace(`${sources.length}*`, ""));
  return transposed ? axes.reverse() : axes;
}

/** Checks a tensor's shape; a size that is not known yet is what this tensor has. */
function fitShape(
  { name, shape }: TensorEntry,
  axes: readonly string[],
  sizes: Record<SizeName, number>,
  file: string,
): void {
  axes.forEach((axis, i) => {
    if (axis in sizes && sizes[axis as SizeName] === 0) sizes[axis as SizeName] = shape[i] ?? 0;
  });
  const wanted = axes.map((axis) => axisSize(axis, sizes));
  if (shape.length === axes.length && wanted.every((size, i) => size > 0 && size === shape[i])) {
    return;
  }
  throw new CheckpointError(
    `Cannot load "${name}" from "${file}": it has shape [${shape}], ` +
      `[${wanted.map((size, i) => size || axes[i])}] was expected`,
  );
}

/** The size of an axis such as "width", "3" or "3*width"; 0 if it is not known yet. */
function axisSize(axis: string, sizes: Readonly<Record<string, number>>): number {
  return axis.split("*").reduce((product, factor) => product * (sizes[factor] ?? +factor), 1);
}

async function readWeight(
  { transposed }: Place,
  parts: readonly TensorEntry[],
  file: string,
): Promise<Float32Array<ArrayBuffer>> {
  const [first] = parts;
  if (parts.length === 1) {
    const data = await readFinite(first!, file);
    return transposed ? transpose(data, first!.shape[0]!, first!.shape[1]!) : data;
  }
  const joined = new Float32Array(parts.reduce((sum, part) => sum + part.count, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(await readFinite(part, file), at);
    at += part.count;
  }
  return joined;
}

async function readFinite(tensor: TensorEntry, file: string): Promise<Float32Array<ArrayBuffer>> {
  const data = await tensor.read();
  const at = data.findIndex((value) => !Number.isFinite(value));
  if (at >= 0) {
    throw new CheckpointError(
      `Cannot load "${tensor.name}" from "${file}": element ${at} is ${data[at]}; get the file ` +
        `anew, this one is broken or its training diverged`,
    );
  }
  return data;
}

function transpose(data: Float32Array, rows: number, columns: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      out[column * rows + row] = data[row * columns + column]!;
    }
  }
  return out;
}
