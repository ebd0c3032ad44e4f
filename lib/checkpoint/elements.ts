import { release } from "../release.ts";
import { type ByteRange, readBytes } from "./range_file.ts";
import { refuse } from "./refusal.ts";

/** Element types as nada names them: float, brain float, signed and unsigned integer, bits. */
export type Dtype =
  | "f64"
  | "f32"
  | "f16"
  | "bf16"
  | "i64"
  | "i32"
  | "i16"
  | "i8"
  | "u8"
  | "bool";

export const BYTES_PER_ELEMENT: Record<Dtype, number> = {
  f64: 8,
  f32: 4,
  f16: 2,
  bf16: 2,
  i64: 8,
  i32: 4,
  i16: 2,
  i8: 1,
  u8: 1,
  bool: 1,
};

const MAX_RANK = 32;
const CHUNK_ELEMENTS = 2 ** 20;

/** The number of elements of a tensor; refuses what is not a shape. */
export function elementCount(shape: readonly unknown[]): number {
  if (shape.length > MAX_RANK) {
    refuse(`a tensor has ${shape.length} dimensions, more than ${MAX_RANK}`);
  }
  let count = 1;
  for (const size of shape) {
    if (!isIndex(size)) {
      refuse(`a shape of ${listText(shape)} is not made of whole numbers from 0 on`);
    }
    count *= size;
  }
  // A product that overflowed is no safe integer either, unless a zero made it 0 or NaN.
  if (shape.includes(0)) return 0;
  if (!Number.isSafeInteger(count)) refuse(`a shape of ${listText(shape)} is beyond any file`);
  return count;
}

/** Numbers as "[2, 3]"; what else a stranger may have put in their place as "?". */
export function listText(list: readonly unknown[]): string {
  const shown = list.slice(0, 8).map((item) => typeof item === "number" ? item : "?");
  return `[${shown.join(", ")}${list.length > 8 ? ", …" : ""}]`;
}

/** Whether `value` is a whole number from 0 on that a float64 holds exactly. */
export function isIndex(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/**
 * `count` elements from the byte `offset` on as float32: exact for f32, f16, bf16 and the integers
 * up to 16 bits, rounded to nearest for the rest. Conversion takes place in pieces, so the memory
 * needed is that of the result and a few MiB. Every byte is read once, in order.
 */
export async function readFloat32(
  range: ByteRange,
  dtype: Dtype,
  offset: number,
  count: number,
): Promise<Float32Array<ArrayBuffer>> {
  const out = new Float32Array(count);
  if (dtype === "f32") {
    await range.readInto(offset, new Uint8Array(out.buffer));
    return out;
  }
  let at = 0;
  for await (const piece of float32Pieces(range, dtype, offset, count)) {
    out.set(piece, at);
    at += piece.length;
    release(piece);
  }
  return out;
}

/** The same in pieces of at most 4 MiB, in order; each is the caller's own. */
export async function* float32Pieces(
  range: ByteRange,
  dtype: Dtype,
  offset: number,
  count: number,
): AsyncGenerator<Float32Array<ArrayBuffer>> {
  const size = BYTES_PER_ELEMENT[dtype];
  for (let at = 0; at < count; at += CHUNK_ELEMENTS) {
    const length = Math.min(CHUNK_ELEMENTS, count - at);
    const bytes = await readBytes(range, offset + at * size, length * size);
    const piece = new Float32Array(NUMBERS[dtype](bytes.buffer));
    release(bytes);
    yield piece;
  }
}

/** Little-endian bytes as numbers; every system that WebGPU runs on is little-endian itself. */
export const NUMBERS: Record<Dtype, (bytes: ArrayBuffer) => ArrayLike<number>> = {
  f64: (bytes) => new Float64Array(bytes),
  f32: (bytes) => new Float32Array(bytes),
  f16: (bytes) => new Float16Array(bytes),
  // The upper half of a float32.
  bf16: (bytes) =>
    new Float32Array(Uint32Array.from(new Uint16Array(bytes), (x) => x << 16).buffer),
  i64: (bytes) => Float64Array.from(new BigInt64Array(bytes), Number),
  i32: (bytes) => new Int32Array(bytes),
  i16: (bytes) => new Int16Array(bytes),
  i8: (bytes) => new Int8Array(bytes),
  u8: (bytes) => new Uint8Array(bytes),
  bool: (bytes) => new Uint8Array(bytes).map((x) => x === 0 ? 0 : 1),
};
