/**
 * Generators whose images have classes. The class goes into the mapping network beside z: the column
 * of an embedding, brought to unit length as z is. For a class that is chosen it is a constant, and
 * what the first layer makes of it is one more bias. So a class of such a generator is a generator
 * of its own, without classes, and nothing but the reading of files has to know of them:
 *
 *   W [z, y] / sqrt(|z| + |y|) + b = W' z / sqrt(|z|) + b'
 *
 *   W' = W_z sqrt(|z| / (|z| + |y|)),  b' = b + W_y y / sqrt(|z| + |y|)
 *
 * where W and b are stored larger by the reciprocal of the same learning rate.
 */
import { sameShape } from "../../lib/graph/tensor.ts";
import type { SourceTensor } from "./generator.ts";

/** A linear layer: weight `[out, in]`, bias `[out]`. */
export interface Linear {
  readonly weight: SourceTensor;
  readonly bias: SourceTensor;
}

const EPSILON = 1e-8;

/** A class by its number, null where none was asked for, "any" where no image will be drawn. */
export type ClassChoice = number | null | "any";

/** The layers' names, without ".weight" and ".bias". */
export interface ConditionNames {
  readonly first: string;
  readonly embed: string;
}

/**
 * In the tensors of a generator, puts the first layer for one class in the place of the first layer
 * and the embedding; leaves them as they are where there is no embedding. Returns the number of
 * classes, 0 for none. Calls `refuse` with the reason where the class cannot be had.
 */
export function chooseClass(
  tensors: Map<string, SourceTensor>,
  names: ConditionNames,
  chosen: ClassChoice,
  refuse: (reason: string) => never,
): number {
  const [first, embed] = [names.first, names.embed].map((name) => ({
    weight: tensors.get(`${name}.weight`),
    bias: tensors.get(`${name}.bias`),
  }));
  if (!embed!.weight) {
    if (typeof chosen === "number") refuse("its images are of no classes; leave --class out");
    return 0;
  }
  if (!isLinear(embed!) || !isLinear(first!) || embed.weight.shape[0]! >= first.weight.shape[1]!) {
    return refuse("the embedding of its classes does not fit its mapping network");
  }
  const classes = embed.weight.shape[1]!;
  const range = `--class with a number from 0 to ${classes - 1}`;
  if (chosen === null) return refuse(`its images are of ${classes} classes; pass ${range}`);
  if (chosen !== "any" && !(Number.isInteger(chosen) && chosen < classes)) {
    refuse(`it has ${classes} classes and none with the number ${chosen}; pass ${range}`);
  }
  const folded = foldClass(first, embed, chosen === "any" ? 0 : chosen);
  tensors.set(`${names.first}.weight`, folded.weight).set(`${names.first}.bias`, folded.bias);
  tensors.delete(`${names.embed}.weight`);
  tensors.delete(`${names.embed}.bias`);
  return classes;
}

function isLinear(
  layer: { weight: SourceTensor | undefined; bias: SourceTensor | undefined },
): layer is Linear {
  const [outputs, inputs, ...more] = layer.weight?.shape ?? [];
  return more.length === 0 && inputs !== undefined && inputs > 0 &&
    sameShape(layer.bias?.shape ?? [], [outputs!]);
}

/**
 * The first layer of the mapping network for images of one class. Shapes must fit: first.weight
 * `[w, z + y]`, embed.weight `[y, classes]`.
 */
export function foldClass(first: Linear, embed: Linear, chosen: number): Linear {
  const [outputs, inputs] = first.weight.shape as [number, number];
  const [embedSize, classes] = embed.weight.shape as [number, number];
  const zSize = inputs - embedSize;

  const weight = async () => {
    const from = await first.weight.read();
    const scale = Math.sqrt(zSize / inputs);
    return Float32Array.from(
      { length: outputs * zSize },
      (_, i) => scale * from[Math.floor(i / zSize) * inputs + i % zSize]!,
    );
  };

  const bias = async () => {
    const [weights, biases] = [await first.weight.read(), await first.bias.read()];
    const [table, offset] = [await embed.weight.read(), await embed.bias.read()];
    const y = Array.from(offset, (b, i) => table[i * classes + chosen]! / Math.sqrt(classes) + b);
    const meanSquare = y.reduce((sum, value) => sum + value * value, 0) / embedSize;
    const scale = 1 / Math.sqrt((meanSquare + EPSILON) * inputs);
    return biases.map((b, row) =>
      b + scale * y.reduce((sum, value, i) => sum + weights[row * inputs + zSize + i]! * value, 0)
    );
  };

  return {
    weight: { shape: [outputs, zSize], read: weight },
    bias: { shape: [outputs], read: bias },
  };
}
