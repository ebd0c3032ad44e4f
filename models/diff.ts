/** What two models differ in, tensor by tensor and layer by layer. */
import { openCheckpoint } from "../lib/checkpoint/mod.ts";
import { UserError } from "../lib/errors.ts";
import { sameShape, type Shape } from "../lib/graph/tensor.ts";
import { findWeights } from "./clip/mod.ts";
import { generatorOf, type GeneratorWeights, outlineGenerator } from "./generator/families.ts";
import { applyDelta, type Delta, readDelta } from "./nada/delta.ts";
import { isDelta, loadGenerator } from "./nada/generator_file.ts";
import { storedTensors } from "./nada/stored_tensors.ts";
import { renamed } from "./stylegan2/layouts.ts";
import { isStylegan3 } from "./stylegan3/weights.ts";

/** The tensors of a model; `layerOf` says which layer one belongs to. */
export interface Comparable extends Disposable {
  readonly tensors: ReadonlyMap<
    string,
    { readonly shape: Shape; read(): Promise<Float32Array> }
  >;
  layerOf(name: string): string;
  /** Of a generator with classes, the one that is compared. */
  readonly classIndex: number | null;
}

/** How far two tensors of one name and shape are apart. */
export interface TensorDiff {
  readonly name: string;
  readonly layer: string;
  /** Largest difference of two elements; NaN where one alone is NaN. */
  readonly largest: number;
  /** Squared lengths of the first, and of the difference. */
  readonly squares: number;
  readonly differenceSquares: number;
}

export interface LayerDiff {
  readonly layer: string;
  readonly tensors: number;
  readonly changed: number;
  /** Length of the difference over the length of the first. */
  readonly relative: number;
  readonly largest: number;
}

export interface ModelDiff {
  readonly tensors: readonly TensorDiff[];
  readonly layers: readonly LayerDiff[];
  readonly onlyFirst: readonly string[];
  readonly onlySecond: readonly string[];
  readonly otherShape: readonly { name: string; first: Shape; second: Shape }[];
}

export interface DiffOptions {
  /** What deltas change. */
  readonly base: string | null;
  /** Of generators with classes; null for that of a delta. */
  readonly classIndex: number | null;
}

/**
 * Opens the two. A generator's tensors go by the names of its layout whatever file they come from. A
 * delta stands for what it makes of its base: `base`, or the other of the two where that is a
 * generator. Throws a UserError where it lacks one, and for a class where there are none.
 */
export async function openBoth(
  paths: readonly [string, string],
  { base, classIndex }: DiffOptions,
): Promise<[Comparable, Comparable]> {
  const areDeltas = await Promise.all(paths.map(isDelta));
  const other = areDeltas.indexOf(false);
  const basePath = base ?? (other < 0 ? null : paths[other]!);
  const lacking = areDeltas.indexOf(true);
  if (lacking >= 0 && basePath === null) {
    throw new UserError(
      `Cannot compare "${paths[lacking]}": it holds only what an adaptation changed; pass the ` +
        `generator that it changes with --generator`,
    );
  }
  const deltas = await Promise.all(paths.map((path, i) => areDeltas[i] ? readDelta(path) : null));
  const ofDelta = deltas.map((delta) => delta?.base.classIndex ?? null).find((n) => n !== null);
  const opened: Comparable[] = [];
  for (const [i, path] of paths.entries()) {
    const delta = deltas[i];
    opened.push(
      delta
        ? await openDelta(delta, basePath!, classIndex)
        : await openModel(path, classIndex ?? ofDelta ?? null),
    );
  }
  if (classIndex === null || opened.some((model) => model.classIndex !== null)) {
    return opened as [Comparable, Comparable];
  }
  opened.forEach((model) => model[Symbol.dispose]());
  throw new UserError(
    `Cannot compare class ${classIndex} of "${
      paths.join('" and "')
    }": they have no classes; leave ` +
      `--class out`,
  );
}

async function openDelta(delta: Delta, path: string, asked: number | null): Promise<Comparable> {
  const { weights, ...base } = await loadGenerator(path, asked ?? delta.base.classIndex);
  return ofGenerator(applyDelta(weights, base, delta), base.classIndex);
}

/** A generator as such, any other file by the tensors it has. */
async function openModel(path: string, asked: number | null): Promise<Comparable> {
  const checkpoint = await openCheckpoint(await findWeights(path) ?? path);
  try {
    if (renamed(checkpoint) !== null || isStylegan3(checkpoint.tensors)) {
      const { classes } = outlineGenerator(checkpoint);
      checkpoint.close();
      const classIndex = classes === 0 ? null : asked;
      return ofGenerator((await loadGenerator(path, classIndex)).weights, classIndex);
    }
    return {
      classIndex: null,
      tensors: checkpoint.tensors,
      layerOf: (name) => name.replace(/\.[^.]+$/, ""),
      [Symbol.dispose]: () => checkpoint.close(),
    };
  } catch (error) {
    checkpoint.close();
    throw error;
  }
}

function ofGenerator(weights: GeneratorWeights, classIndex: number | null = null): Comparable {
  const layers = new Map(
    generatorOf(weights.architecture).layers.entries().flatMap(([layer, names]) =>
      names.map((name) => [name, layer] as const)
    ),
  );
  return {
    classIndex,
    tensors: storedTensors(weights),
    layerOf: (name) => layers.get(name) ?? name.replace(/\..*$/, ""),
    [Symbol.dispose]: () => {},
  };
}

/** Compares what both have; one tensor of each is in memory at a time. */
export async function compareModels(first: Comparable, second: Comparable): Promise<ModelDiff> {
  const tensors: TensorDiff[] = [];
  const onlyFirst: string[] = [];
  const otherShape: { name: string; first: Shape; second: Shape }[] = [];
  for (const [name, a] of first.tensors) {
    const b = second.tensors.get(name);
    if (!b) onlyFirst.push(name);
    else if (!sameShape(a.shape, b.shape)) {
      otherShape.push({ name, first: a.shape, second: b.shape });
    } else {
      const distance = distanceOf(await a.read(), await b.read());
      tensors.push({ name, layer: first.layerOf(name), ...distance });
    }
  }
  return {
    tensors,
    layers: layersOf(tensors),
    onlyFirst,
    onlySecond: [...second.tensors.keys()].filter((name) => !first.tensors.has(name)),
    otherShape,
  };
}

function distanceOf(a: Float32Array, b: Float32Array) {
  let [largest, squares, differenceSquares] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    squares += a[i]! * a[i]!;
    if (Object.is(a[i], b[i]) || a[i] === b[i]) continue;
    const difference = Math.abs(a[i]! - b[i]!);
    differenceSquares += difference * difference;
    if (!(difference <= largest)) largest = difference;
  }
  return { largest, squares, differenceSquares };
}

function layersOf(tensors: readonly TensorDiff[]): LayerDiff[] {
  return [...Map.groupBy(tensors, ({ layer }) => layer)].map(([layer, members]) => {
    const total = (of: (tensor: TensorDiff) => number) =>
      members.reduce((sum, tensor) => sum + of(tensor), 0);
    const moved = total(({ differenceSquares }) => differenceSquares);
    return {
      layer,
      tensors: members.length,
      changed: members.filter(({ largest }) => largest !== 0).length,
      relative: moved === 0 ? 0 : Math.sqrt(moved / total(({ squares }) => squares)),
      largest: members.reduce((most, { largest }) => largest <= most ? most : largest, 0),
    };
  });
}
