/** The values of a tower's weights, made of the tensors that a file has for them. */
import type { TensorEntry } from "../../lib/checkpoint/mod.ts";
import { CheckpointError } from "../../lib/errors.ts";
import { firstNonFinite } from "../../lib/finite.ts";
import { release } from "../../lib/release.ts";
import type { Make } from "./names.ts";

/** Reads `parts` and makes a weight of them. Throws a CheckpointError for values that cannot be. */
export async function readWeight(
  make: Make,
  parts: readonly TensorEntry[],
  file: string,
): Promise<Float32Array<ArrayBuffer>> {
  const read: Values[] = [];
  for (const part of parts) {
    read.push({ name: part.name, shape: part.shape, data: await readFinite(part, file) });
  }
  const made = MAKERS[make](read, file);
  read.forEach(({ data }) => data !== made && release(data));
  return made;
}

/** A weight that is a tensor as it stands, in pieces, checked in the same way. */
export async function* finitePieces(
  tensor: TensorEntry,
  file: string,
): AsyncGenerator<Float32Array<ArrayBuffer>> {
  let at = 0;
  for await (const data of tensor.pieces()) {
    refuse({ name: tensor.name, data }, firstNonFinite(data), file, at);
    yield data;
    at += data.length;
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
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

type Maker = (parts: readonly Values[], file: string) => Float32Array<ArrayBuffer>;

/** PyTorch's default, which adds it to the variance in batch norms. */
const BATCH_NORM_EPSILON = 1e-5;

/*
 * A batch norm in use, with the mean and variance gathered in training, is linear in each channel:
 *
 *   y = s (w * x - mean) + bias = (s w) * x + (bias - s mean),  s = weight / sqrt(variance + ε)
 */
const MAKERS: Record<Make, Maker> = {
  joined(parts) {
    const [only] = parts;
    if (parts.length === 1) return only!.data;
    const joined = new Float32Array(parts.reduce((sum, { data }) => sum + data.length, 0));
    let at = 0;
    for (const { data } of parts) {
      joined.set(data, at);
      at += data.length;
    }
    return joined;
  },

  transposed([part]) {
    const { data, shape: [rows, columns] } = part!;
    return data.map((_, i) => data[(i % rows!) * columns! + Math.floor(i / rows!)]!);
  },

  scaled([convolution, weight, variance], file) {
    const s = normScales(weight!, variance!, file);
    const { data } = convolution!;
    const perChannel = data.length / s.length;
    return data.map((value, i) => value * s[Math.floor(i / perChannel)]!);
  },

  shifted([bias, mean, weight, variance], file) {
    const s = normScales(weight!, variance!, file);
    return bias!.data.map((value, i) => value - s[i]! * mean!.data[i]!);
  },
};

/** What a batch norm multiplies each channel by. */
function normScales(weight: Values, variance: Values, file: string): Float64Array {
  refuse(variance, variance.data.findIndex((value) => value < 0), file);
  return Float64Array.from(
    weight.data,
    (value, channel) => value / Math.sqrt(variance.data[channel]! + BATCH_NORM_EPSILON),
  );
}

/** Refuses the value at an index, unless that is -1; `first` is the index of the piece. */
function refuse(
  { name, data }: Omit<Values, "shape">,
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
