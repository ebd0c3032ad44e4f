/**
 * An adapted generator as a file: only the tensors that changed, under the names of the layout and
 * with their new values, and in the metadata what they belong to:
 *
 *     nada.format        "delta"
 *     nada.version       of the program that wrote it
 *     nada.base.file     name of the base checkpoint, without its folder
 *     nada.base.sha256   of that file
 *     nada.base.class    the class that was adapted, where its images are of classes
 *     nada.config        the run's configuration as JSON
 */
import { basename } from "node:path";
import {
  type Checkpoint,
  openCheckpoint,
  type TensorEntry,
  writeSafetensors,
} from "../../lib/checkpoint/mod.ts";
import { CheckpointError, UserError } from "../../lib/errors.ts";
import { firstNonFinite } from "../../lib/finite.ts";
import { sameShape } from "../../lib/graph/tensor.ts";
import { VERSION } from "../../lib/version.ts";
import { generatorOf, type GeneratorWeights } from "../generator/families.ts";
import type { HostTensor, StoredTensor } from "../generator/generator.ts";
import { storedTensors } from "./stored_tensors.ts";

/** The checkpoint that a delta changes. */
export interface BaseFile {
  /** Its name; only the last part is kept. */
  readonly file: string;
  /** In hexadecimal. */
  readonly sha256: string;
  /** The class of images that was chosen, where they are of classes. */
  readonly classIndex?: number | null;
}

export interface DeltaAbout {
  readonly base: BaseFile;
  /** Anything JSON can hold. */
  readonly config: unknown;
}

export interface Delta extends DeltaAbout {
  readonly file: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

const CLASS = "nada.base.class";

/** Fields of a configuration that are paths. */
const PATHS = new Set([
  ...["path", "generator", "trainGenerator", "styleImages", "textureClip"],
  ...["z", "templates", "partTemplates"],
]);

/**
 * Writes the tensors that differ from the base, all of the file or nothing. Of paths only the last
 * part is kept: a delta is passed on, and the folders of this machine are nobody's business.
 */
export function writeDelta(
  path: string,
  changed: ReadonlyMap<string, HostTensor>,
  { base, config }: DeltaAbout,
): Promise<void> {
  return writeSafetensors(path, changed, {
    "nada.format": "delta",
    "nada.version": VERSION,
    "nada.base.file": basename(base.file),
    "nada.base.sha256": base.sha256,
    ...typeof base.classIndex === "number" && { [CLASS]: String(base.classIndex) },
    "nada.config": JSON.stringify(
      config,
      (key, value) => PATHS.has(key) && typeof value === "string" ? basename(value) : value,
    ),
  });
}

/**
 * Reads a delta. Throws a CheckpointError where the file is none or is damaged; reading a tensor
 * does, where its values are not finite.
 */
export async function readDelta(path: string): Promise<Delta> {
  using checkpoint = await openCheckpoint(path);
  const about = deltaAbout(checkpoint);
  if (!about) {
    throw new CheckpointError(
      `Cannot take "${path}" for an adapted generator: its metadata does not say so; give the ` +
        `adapted.safetensors of a run`,
    );
  }
  const tensors = checkpoint.tensors.entries().map(([name, tensor]) =>
    [name, { shape: tensor.shape, read: () => readFinite(tensor, path) }] as const
  );
  return { file: path, ...about, tensors: new Map(tensors) };
}

async function readFinite({ name, read }: TensorEntry, path: string) {
  const data = await read();
  const bad = firstNonFinite(data);
  if (bad < 0) return data;
  throw new CheckpointError(
    `Cannot load "${name}" from "${path}": element ${bad} is ${data[bad]}; adapt anew, this ` +
      `file is damaged or its run diverged`,
  );
}

/** What the metadata of an open file says; null if the file is no delta. */
export function deltaAbout({ file, metadata }: Pick<Checkpoint, "file" | "metadata">) {
  if (metadata["nada.format"] !== "delta") return null;
  const base = {
    file: metadata["nada.base.file"] ?? "",
    sha256: metadata["nada.base.sha256"] ?? "",
    ...metadata[CLASS] !== undefined && { classIndex: Number(metadata[CLASS]) },
  };
  try {
    return { base, config: JSON.parse(metadata["nada.config"] ?? "null") as unknown };
  } catch (error) {
    throw new CheckpointError(
      `Cannot read "${file}": the "nada.config" in its metadata is no JSON; adapt anew`,
      { cause: error },
    );
  }
}

/** Source and target text of the run that made a delta, where it has no more than these two. */
export function promptOf({ config }: DeltaAbout): { source: string; target: string } | null {
  const { source, target } = record(record(config).prompt);
  return typeof source === "string" && typeof target === "string" ? { source, target } : null;
}

/** A delta, and how much of what it changes. */
export interface Share {
  readonly delta: Delta;
  readonly strength: number;
}

/**
 * The base moved towards what it was adapted to: strength 0 gives the base, 1 the delta's values
 * exactly, more exaggerates the change.
 *
 * Throws a UserError where the delta belongs to another base, which it names, and a CheckpointError
 * where a tensor of it has no place in this one.
 */
export function applyDelta(
  weights: GeneratorWeights,
  base: BaseFile,
  delta: Delta,
  strength = 1,
): GeneratorWeights {
  return applyDeltas(weights, base, [{ delta, strength }]);
}

/** The base moved by the sum of what several deltas change, each by its strength; see applyDelta. */
export function applyDeltas(
  weights: GeneratorWeights,
  base: BaseFile,
  shares: readonly Share[],
): GeneratorWeights {
  const known = storedTensors(weights);
  for (const { delta } of shares) checkBelongs(weights, base, delta, known);
  const names = new Set(shares.flatMap(({ delta }) => [...delta.tensors.keys()]));
  const moved = new Map<string, StoredTensor>();
  for (const name of names) {
    const from = known.get(name)!;
    const towards = shares.flatMap(({ delta, strength }) => {
      const tensor = delta.tensors.get(name);
      return tensor ? [{ tensor, strength }] : [];
    });
    moved.set(name, { shape: from.shape, read: () => blend(from, towards) });
  }
  const after = (name: string, before: StoredTensor) => moved.get(name) ?? before;
  const change = (tensors: ReadonlyMap<string, StoredTensor>) =>
    new Map(tensors.entries().map(([name, tensor]) => [name, after(name, tensor)]));
  return {
    ...weights,
    parameters: change(weights.parameters),
    fixed: change(weights.fixed),
    latentAvg: weights.latentAvg && after("latent_avg", weights.latentAvg),
  };
}

function checkBelongs(
  weights: GeneratorWeights,
  base: BaseFile,
  delta: Delta,
  known: ReadonlyMap<string, StoredTensor>,
): void {
  if (delta.base.sha256 !== base.sha256) {
    throw new UserError(
      `Cannot apply "${delta.file}" to "${base.file}": it was made for another file, ` +
        `"${delta.base.file}" with the sha256 ${delta.base.sha256.slice(0, 12)}…, this one has ` +
        `${base.sha256.slice(0, 12)}…; give that file as --generator`,
    );
  }
  const { layers, mappingLayer } = generatorOf(weights.architecture);
  const ofClass = delta.base.classIndex ?? null;
  if (
    ofClass !== (base.classIndex ?? null) &&
    layers.get(mappingLayer)!.some((name) => delta.tensors.has(name))
  ) {
    throw new UserError(
      `Cannot apply "${delta.file}" to class ${base.classIndex}: it has its own mapping network, ` +
        `for class ${ofClass}; pass --class ${ofClass}`,
    );
  }
  for (const [name, { shape }] of delta.tensors) {
    const from = known.get(name);
    if (from && sameShape(from.shape, shape)) continue;
    throw new CheckpointError(
      `Cannot apply "${delta.file}" to "${base.file}": "${name}" has shape [${shape}], the base ` +
        (from ? `needs [${from.shape}]` : "has no such tensor") + "; adapt anew",
    );
  }
}

/** (1 - s - …) a + s b + … in float64, which is exact where one share is 1 and the others are 0. */
async function blend(
  from: StoredTensor,
  towards: readonly { readonly tensor: StoredTensor; readonly strength: number }[],
): Promise<Float32Array<ArrayBuffer>> {
  const base = await from.read();
  const rest = towards.reduce((left, { strength }) => left - strength, 1);
  const sum = Float64Array.from(base, (value) => rest * value);
  for (const { tensor, strength } of towards) {
    (await tensor.read()).forEach((value, i) => sum[i]! += strength * value);
  }
  return Float32Array.from(sum);
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
}
