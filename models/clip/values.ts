/** The values of a tower's weights, made of the tensors that a file has for them. */
import type { TensorEntry } from "../../lib/checkpoint/mod.ts";
import { CheckpointError } from "../../lib/errors.ts";
import { firstNonFinite } from "../../lib/finite.ts";
import { release } from "../../lib/release.ts";
import type { Make } from "./names.ts";

/** A weight made of `parts`, in pieces of a few MiB, in order; each is the caller's own. */
export type Pieces = AsyncGenerator<Float32Array<ArrayBuffer>>;

/**
 * Reads `parts` and makes a weight of them, never with more than a few MiB of a large one in memory.
 * Throws a CheckpointError for values that cannot be.
 */
export function weightPieces(make: Make, parts: readonly TensorEntry[], file: string): Pieces {
  return MAKERS[make](parts, file);
}

/** A tensor as it stands, in pieces; throws a CheckpointError where a value is NaN or infinite. */
async function* finitePieces(tensor: TensorEntry, file: string): Pieces {
  let at = 0;
  for await (const data of tensor.pieces()) {
    refuse({ name: tensor.name, data }, firstNonFinite(data), file, at);
    at += data.length;
    yield data;
  }
}

/** All values of a tensor; throws a CheckpointError where one is NaN or infinite. */
export async function readFinite(
  tensor: TensorEntry,
  file: string,
): Promise<Float32Array<ArrayBuffer>> {
  const data = await tensor.read();
  refuse({ name: tensor.name, data }, firstNonFinite(data), file);
  return data;
}

interface Values {
  readonly name: string;
  readonly data: Float32Array<ArrayBuffer>;
}

type Maker = (parts: readonly TensorEntry[], file: string) => Pieces;

/** PyTorch's default, which adds it to the variance in batch norms. */
const BATCH_NORM_EPSILON = 1e-5;

/*
 * A batch norm in use, with the mean and variance gathered in training, is linear in each channel:
 *
 *   y = s (w * x - mean) + bias = (s w) * x + (bias - s mean),  s = weight / sqrt(variance + ε)
 */
const MAKERS: Record<Make, Maker> = {
  async *joined(parts, file) {
    for (const part of parts) yield* finitePieces(part, file);
  },

  // Projections to features, which are small.
  async *transposed([part], file) {
    const [rows, columns] = part!.shape;
    const data = await readFinite(part!, file);
    const made = data.map((_, i) => data[(i % rows!) * columns! + Math.floor(i / rows!)]!);
    release(data);
    yield made;
  },

  async *scaled([convolution, weight, variance], file) {
    const s = await normScales(weight!, variance!, file);
    const perChannel = convolution!.count / s.length;
    let at = 0;
    for await (const piece of finitePieces(convolution!, file)) {
      for (let i = 0; i < piece.length; i++) piece[i]! *= s[Math.floor((at + i) / perChannel)]!;
      at += piece.length;
      yield piece;
    }
  },

  async *shifted([bias, mean, weight, variance], file) {
    const s = await normScales(weight!, variance!, file);
    const [b, m] = [await readFinite(bias!, file), await readFinite(mean!, file)];
    yield b.map((value, i) => value - s[i]! * m[i]!);
  },
};

/** What a batch norm multiplies each channel by. */
async function normScales(
  weight: TensorEntry,
  variance: TensorEntry,
  file: string,
): Promise<Float64Array> {
  const [w, v] = [await readFinite(weight, file), await readFinite(variance, file)];
  refuse({ name: variance.name, data: v }, v.findIndex((value) => value < 0), file);
  return Float64Array.from(w, (value, i) => value / Math.sqrt(v[i]! + BATCH_NORM_EPSILON));
}

/** Refuses the value at an index, unless that is -1; `first` is the index of the piece. */
function refuse(
  { name, data }: Values,
  at: number,
  file: string,
  first = 0,
): void {
  if (at < 0) return;
  throw new CheckpointError(
    `Cannot load "${name}" from "${file}": element ${first + at} is ${
      data[at]
    }; get the file anew, this ` +
      `one is broken or its training diverged`,
  );
}
