/** What two models differ in, tensor by tensor and layer by layer. */
import { openCheckpoint } from "../lib/checkpoint/mod.ts";
import { UserError } from "../lib/errors.ts";
import { sameShape, type Shape } from "../lib/graph/tensor.ts";
import { findWeights } from "./clip/mod.ts";
import { generatorOf, type GeneratorWeights } from "./generator/families.ts";
import { applyDelta, readDelta } from "./nada/delta.ts";
import { isDelta, loadGenerator } from "./nada/generator_file.ts";
import { storedTensors } from "./nada/stored_tensors.ts";

/** The tensors of a model; `layerOf` says which layer one belongs to. */
export interface Comparable extends Disposable {
  readonly tensors: ReadonlyMap<
    string,
    { readonly shape: Shape; read(): Promise<Float32Array> }
  >;
  layerOf(name: string): string;
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

/**
 * Opens the two. A generator's tensors go by the names of its layout whatever file they come from. A
 * delta stands for what it makes of its base: `base`, or the other of the two where that is a
 * generator. Throws a UserError where it lacks one.
 */
export async function openBoth(
  paths: readonly [string, string],
  base: string | null,
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
  const opened: Comparable[] = [];
  for (const [i, path] of paths.entries()) {
    opened.push(areDeltas[i] ? await openDelta(path, basePath!) : await openModel(path));
  }
  return opened as [Comparable, Comparable];
}

async function openDelta(path: string, basePath: string): Promise<Comparable> {
  const delta = await readDelta(path);
  const { weights, ...base } = await loadGenerator(basePath, delta.base.classIndex);
  return ofGenerator(applyDelta(weights, base, delta));
}

/** A generator as such, any other file by the tensors it has. */
async function openModel(path: string): Promise<Comparable> {
  const checkpoint = await openCheckpoint(await findWeights(path) ?? path);
  try {
    if ([...checkpoint.tensors.keys()].some((name) => GENERATOR.test(name))) {
      checkpoint.close();
      return ofGenerator((await loadGenerator(path)).weights);
    }
    return {
      tensors: checkpoint.tensors,
      layerOf: (name) => name.replace(/\.[^.]+$/, ""),
      [Symbol.dispose]: () => checkpoint.close(),
    };
  } catch (error) {
    checkpoint.close();
    throw error;
  }
}

/** Tensors that only generators have, in either layout. */
const GENERATOR = /(^|\.)(conv1\.conv\.weight|input\.input|synthesis\.(b4\.const|input\.weight))$/;

function ofGenerator(weights: GeneratorWeights): Comparable {
  const layers = new Map(
    generatorOf(weights.architecture).layers.entries().flatMap(([layer, names]) =>
      names.map((name) => [name, layer] as const)
    ),
  );
  return {
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
