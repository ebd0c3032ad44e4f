/** CLIP models in files: OpenAI's, open_clip's and Hugging Face's, under one naming. */
import { join } from "node:path";
import { type Checkpoint, openCheckpoint, type TensorEntry } from "../../lib/checkpoint/mod.ts";
import { CheckpointError } from "../../lib/errors.ts";
import { numel } from "../../lib/graph/tensor.ts";
import { release } from "../../lib/release.ts";
import {
  type Architecture,
  HEAD_WIDTH,
  type ResNetArchitecture,
  type TextArchitecture,
  type VitArchitecture,
} from "./architecture.ts";
import {
  type Axes,
  countBlocks,
  HALLMARKS,
  type Layout,
  LOGIT_SCALE,
  modelTensors,
  type Place,
  type SizeName,
  type Tower,
  towerPlaces,
} from "./names.ts";
import { countLayers, resnetPlaces } from "./resnet_names.ts";
import { findSettings, type SettingsOf } from "./settings.ts";
import { type Pieces, readFinite, weightPieces } from "./values.ts";
import { TEMPLATES } from "./templates.ts";

/** A weight of a tower; nothing but its description is in memory before `read()`. */
export interface Weight {
  readonly shape: readonly number[];
  /** All values; throws a CheckpointError where one cannot be, such as NaN. */
  read(): Promise<Float32Array<ArrayBuffer>>;
  /** The same in pieces, in order and of a few MiB each. */
  pieces(): AsyncIterable<Float32Array<ArrayBuffer>>;
}

/** An open CLIP model. */
export interface ClipFile extends Disposable {
  readonly file: string;
  readonly architecture: Architecture;
  /** The weights of each tower by our names, as in "blocks.0.qkv.weight"; see `names.ts`. */
  readonly weights: Readonly<Record<Tower, ReadonlyMap<string, Weight>>>;
  /** The sentences to put a class name into: the model's own, if it has some. */
  readonly templates: readonly string[];
  /** What cosines of features are multiplied by to become logits. */
  logitScale(): Promise<number>;
}

/**
 * Opens a model: a `.pt` of OpenAI's (TorchScript archive or state dict), a file of open_clip's, or
 * the folder that Hugging Face has of either. Every tensor is checked for presence and shape; values
 * are read later.
 *
 * Throws a CheckpointError that says what is wrong with the file, or what it is instead.
 */
export async function openClipFile(path: string): Promise<ClipFile> {
  const opened = await openCheckpoint(await modelFile(path));
  try {
    const checkpoint = { ...opened, tensors: modelTensors(opened.tensors) };
    const { file, tensors } = checkpoint;
    const layout = recogniseLayout(checkpoint);
    const settings = await findSettings(layout, checkpoint);
    const image = tensors.has(HALLMARKS.resnet)
      ? readResNet(checkpoint)
      : readVit(checkpoint, layout, settings);
    const text = readText(checkpoint, layout, settings);
    if (image.features !== text.features) {
      throw new CheckpointError(
        `Cannot load CLIP from "${file}": its images have ${image.features} features and ` +
          `its texts ${text.features}; as many were expected`,
      );
    }
    const scale = tensorOf(checkpoint, LOGIT_SCALE);
    fitShape(scale, [], noSizes(), file);
    return {
      file,
      architecture: {
        features: image.features,
        image: image.architecture,
        text: text.architecture,
      },
      weights: { image: image.weights, text: text.weights },
      templates: readList(checkpoint, "nada.templates", isTemplate) ?? TEMPLATES,
      logitScale: async () => Math.exp((await readFinite(scale, file))[0]!),
      [Symbol.dispose]: () => opened.close(),
    };
  } catch (error) {
    opened.close();
    throw error;
  }
}

/** Names that the weights have in a folder of Hugging Face's, the first that is there counts. */
const WEIGHT_FILES = [
  "model.safetensors",
  "pytorch_model.bin",
  "open_clip_model.safetensors",
  "open_clip_pytorch_model.bin",
];

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

/** Tensors of generators, in rosinality's layout and in NVIDIA's. */
const GENERATOR = /^(g_ema\.)?conv1\.conv\.weight$|(^|\.)synthesis\.(b4\.|4x4\/|input\.)/;

function recogniseLayout({ file, tensors }: Checkpoint): Layout {
  if (tensors.has(HALLMARKS.openai) || tensors.has(HALLMARKS.resnet)) return "openai";
  if (tensors.has(HALLMARKS.huggingface)) return "huggingface";
  if (tensors.keys().some((name) => GENERATOR.test(name))) {
    throw new CheckpointError(
      `Cannot load CLIP from "${file}": it is a StyleGAN generator; give it where a generator is ` +
        `asked for`,
    );
  }
  const found = tensors.keys().take(3).map((name) => `"${name}"`).toArray().join(", ");
  throw new CheckpointError(
    `Cannot load CLIP from "${file}": it is no CLIP model, its ${tensors.size} tensors ` +
      `(${found || "none"}${tensors.size > 3 ? ", …" : ""}) have neither "${HALLMARKS.openai}" ` +
      `nor "${HALLMARKS.huggingface}"; give a .pt of OpenAI's, a file of open_clip's, or the ` +
      `folder of a Hugging Face CLIPModel`,
  );
}

/** A tower as its tensors describe it. */
interface TowerContents<A> {
  readonly architecture: A;
  readonly features: number;
  readonly weights: ReadonlyMap<string, Weight>;
}

function readVit(
  checkpoint: Checkpoint,
  layout: Layout,
  settings: SettingsOf,
): TowerContents<VitArchitecture> {
  const { sizes, architecture, weights } = readTransformer(checkpoint, layout, "image", settings);
  const { patch, positions, features } = sizes;
  const imageSize = patch * cellsPerSide(positions, "one for the class", checkpoint.file);
  return {
    architecture: { kind: "vit", ...architecture, imageSize, patchSize: patch },
    features,
    weights,
  };
}

/** A ResNet makes an image this many times smaller, from pixels to what is pooled. */
const RESNET_CELL = 32;

function readResNet(checkpoint: Checkpoint): TowerContents<ResNetArchitecture> {
  const layers = countLayers(checkpoint.tensors.keys());
  const { sizes, weights } = readPlaces(checkpoint, resnetPlaces(layers.map(atLeastOne)));
  const { half, positions, features } = sizes;
  const width = 2 * half;
  const imageSize = RESNET_CELL * cellsPerSide(positions, "one for the mean", checkpoint.file);
  const heads = 32 * width / HEAD_WIDTH;
  return { architecture: { kind: "resnet", imageSize, width, layers, heads }, features, weights };
}

function readText(
  checkpoint: Checkpoint,
  layout: Layout,
  settings: SettingsOf,
): TowerContents<TextArchitecture> {
  const { sizes, architecture, weights } = readTransformer(checkpoint, layout, "text", settings);
  return {
    architecture: {
      ...architecture,
      contextLength: sizes.positions,
      vocabSize: sizes.vocabulary,
      vocabulary: readList(checkpoint, "nada.vocabulary", isTokenId),
    },
    features: sizes.features,
    weights,
  };
}

const isTokenId = (value: unknown): value is number => Number.isInteger(value);
const isTemplate = (value: unknown): value is string =>
  typeof value === "string" && value.includes("{}");

/** A JSON list in the file's metadata; null where there is none. */
function readList<T>(
  { file, metadata }: Checkpoint,
  key: string,
  isItem: (value: unknown) => value is T,
): T[] | null {
  if (metadata[key] === undefined) return null;
  try {
    const list: unknown = JSON.parse(metadata[key]);
    if (Array.isArray(list) && list.every(isItem)) return list;
  } catch {
    // said below
  }
  throw new CheckpointError(`Cannot load CLIP from "${file}": its metadata "${key}" is no list`);
}

function readTransformer(
  checkpoint: Checkpoint,
  layout: Layout,
  tower: Tower,
  settings: SettingsOf,
) {
  const blocks = countBlocks(layout, tower, checkpoint.tensors.keys());
  const places = towerPlaces(layout, tower, atLeastOne(blocks));
  const { sizes, weights } = readPlaces(checkpoint, places);
  const { width, hidden } = sizes;
  return { sizes, architecture: { width, hidden, blocks, ...settings(tower, width) }, weights };
}

/** Where there is no block, looking for one makes the error name what is missing. */
const atLeastOne = (blocks: number) => Math.max(1, blocks);

function cellsPerSide(positions: number, extra: string, file: string): number {
  const side = Math.sqrt(positions - 1);
  if (Number.isInteger(side) && side > 0) return side;
  throw new CheckpointError(
    `Cannot load CLIP from "${file}": its images have ${positions} positions; ${extra} and a ` +
      `square number for patches were expected`,
  );
}

type Sizes = Record<SizeName, number>;

const noSizes = (): Sizes => ({
  width: 0,
  hidden: 0,
  positions: 0,
  features: 0,
  patch: 0,
  vocabulary: 0,
  half: 0,
});

/** The weights of a tower, every shape checked against the sizes that the first ones define. */
function readPlaces(checkpoint: Checkpoint, places: readonly Place[]) {
  const { file } = checkpoint;
  const sizes = noSizes();
  const weights = new Map<string, Weight>();
  for (const { name, shape: axes, make, parts: wanted } of places) {
    const parts = wanted.map((part) => {
      const tensor = tensorOf(checkpoint, part.name);
      fitShape(tensor, part.shape, sizes, file);
      return tensor;
    });
    const shape = axes.map((axis) => axisSize(axis, sizes));
    const pieces = () => weightPieces(make, parts, file);
    weights.set(name, { shape, pieces, read: () => gather(pieces(), numel(shape)) });
  }
  return { sizes, weights };
}

/** All of `count` values in one. */
async function gather(pieces: Pieces, count: number): Promise<Float32Array<ArrayBuffer>> {
  const all = new Float32Array(count);
  let at = 0;
  for await (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
    release(piece);
  }
  return all;
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

/** Checks a tensor's shape; a size that is not known yet is what this tensor has. */
function fitShape(
  { name, shape }: TensorEntry,
  axes: Axes,
  sizes: Sizes,
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
