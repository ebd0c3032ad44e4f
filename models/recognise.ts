/** Says what a file is, from the names and shapes of its tensors; no value is read. */
import { type Checkpoint, openCheckpoint } from "../lib/checkpoint/mod.ts";
import { CheckpointError } from "../lib/errors.ts";
import { numel } from "../lib/graph/tensor.ts";
import { HALLMARKS, type Layout, modelTensors } from "./clip/names.ts";
import { type Architecture as ClipArchitecture, findWeights, openClipFile } from "./clip/mod.ts";
import { type BaseFile, deltaAbout, promptOf } from "./nada/delta.ts";
import { generatorOf, type GeneratorOutline, outlineGenerator } from "./generator/families.ts";
import { renamed } from "./stylegan2/layouts.ts";
import { isStylegan3 } from "./stylegan3/weights.ts";

export type Recognised =
  | GeneratorOutline & {
    readonly kind: GeneratorOutline["architecture"]["family"];
    readonly parameters: number;
  }
  | {
    readonly kind: "clip";
    readonly layout: Layout;
    readonly architecture: ClipArchitecture;
    readonly parameters: number;
  }
  | {
    readonly kind: "delta";
    readonly base: BaseFile;
    readonly prompt: { source: string; target: string } | null;
    readonly config: unknown;
  }
  /** What an interrupted run goes on from, after `step` steps. */
  | { readonly kind: "resume"; readonly step: number }
  /** It looks like a model, but nada cannot use it, for the reason given. */
  | { readonly kind: "unusable"; readonly looksLike: string; readonly reason: string }
  /** What `nada sample` and `nada clip` write. */
  | { readonly kind: "samples" | "features" }
  | { readonly kind: "tensors" };

/** A file that was looked into; of a Hugging Face folder, the file with its weights. */
export type Inspected = Pick<Checkpoint, "file" | "format" | "sizeBytes" | "tensors"> & {
  readonly metadata: Readonly<Record<string, string>>;
  /** Values that are no tensors, by name. */
  readonly values: Checkpoint["values"];
  /** Networks of a pickle: what each was made by, by its path. */
  readonly networks: ReadonlyMap<string, string>;
  readonly contents: Recognised;
};

/**
 * Looks into a checkpoint of any kind that nada opens, or a Hugging Face folder. Throws a
 * CheckpointError for everything else. The tensors can be listed, and no longer read.
 */
export async function inspectFile(path: string): Promise<Inspected> {
  const weights = await findWeights(path);
  if (weights === null) {
    throw new CheckpointError(
      `Cannot inspect "${path}": it is a folder, and not that of a Hugging Face model; name a file ` +
        `in it`,
    );
  }
  using checkpoint = await openCheckpoint(weights);
  const { file, format, sizeBytes, tensors, metadata, values } = checkpoint;
  const contents = await recognise(checkpoint);
  const networks = networksIn(checkpoint);
  return { file, format, sizeBytes, tensors, metadata, values, networks, contents };
}

/** The modules that are in no other module. */
function networksIn({ modules }: Checkpoint): Map<string, string> {
  const isWithin = (path: string) =>
    [...path.matchAll(/\./g)].some(({ index }) => modules.has(path.slice(0, index))) ||
    (path !== "" && modules.has(""));
  return new Map(
    modules.entries().filter(([path]) => !isWithin(path))
      .map(([path, { className }]) => [path, className]),
  );
}

async function recognise(checkpoint: Checkpoint): Promise<Recognised> {
  const { metadata, tensors } = checkpoint;
  const delta = deltaAbout(checkpoint);
  if (delta) return { kind: "delta", ...delta, prompt: promptOf(delta) };
  const format = metadata["nada.format"];
  if (format === "resume") return { kind: "resume", step: Number(metadata["nada.step"]) };
  if (format === "samples" || format === "features") return { kind: format };
  const own = modelTensors(tensors);
  if (Object.values(HALLMARKS).some((name) => own.has(name))) {
    return await orReason("a CLIP model", () => recogniseClip(checkpoint));
  }
  if (renamed(checkpoint) !== null) {
    return await orReason("a StyleGAN2 generator", () => recogniseGenerator(checkpoint));
  }
  if (isStylegan3(tensors)) {
    return await orReason("a StyleGAN3 generator", () => recogniseGenerator(checkpoint));
  }
  return { kind: "tensors" };
}

async function recogniseClip({ file, tensors: all }: Checkpoint): Promise<Recognised> {
  using clip = await openClipFile(file);
  const tensors = modelTensors(all);
  // Values that training changes: not counters, and not the statistics that batch norms keep.
  const trained = tensors.values().filter(({ name, dtype }) =>
    /^b?f\d+$/.test(dtype) && !/\.running_(mean|var)$/.test(name)
  );
  return {
    kind: "clip",
    layout: tensors.has(HALLMARKS.huggingface) ? "huggingface" : "openai",
    architecture: clip.architecture,
    parameters: trained.reduce((sum, { count }) => sum + count, 0),
  };
}

function recogniseGenerator(checkpoint: Checkpoint): Recognised {
  const outline = outlineGenerator(checkpoint);
  const { parameterShapes } = generatorOf(outline.architecture);
  const parameters = parameterShapes.values().reduce((sum, shape) => sum + numel(shape), 0);
  return { kind: outline.architecture.family, ...outline, parameters };
}

async function orReason(
  looksLike: string,
  read: () => Recognised | Promise<Recognised>,
): Promise<Recognised> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    return { kind: "unusable", looksLike, reason: error.message };
  }
}
