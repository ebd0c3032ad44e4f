/** NumPy's arrays and numbers in pickles. */
import type { TensorEntry } from "./checkpoint.ts";
import { BYTES_PER_ELEMENT, type Dtype, elementCount, listText, NUMBERS } from "./elements.ts";
import {
  describe,
  functions,
  items,
  PickleBytes,
  PickleExtra,
  type PickleValue,
} from "./pickle_values.ts";
import { type ByteRange, inMemory, part } from "./range_file.ts";
import { refuse } from "./refusal.ts";
import { viewEntry } from "./strided.ts";

const DTYPES: Readonly<Record<string, Dtype>> = {
  f8: "f64",
  f4: "f32",
  f2: "f16",
  i8: "i64",
  i4: "i32",
  i2: "i16",
  i1: "i8",
  u1: "u8",
  b1: "bool",
};

/** An element type; types that nada has no name for are refused where an array is made of one. */
class NumpyDtype extends PickleExtra {
  isBigEndian = false;
  constructor(readonly code: string) {
    super();
  }

  /** `(version, byte order, …)`. */
  override setState(state: PickleValue): void {
    this.isBigEndian = items(state)[1] === ">";
  }
}

/** An array; its elements lie in a run of bytes without gaps. */
export class NumpyArray extends PickleExtra {
  shape: readonly number[] = [0];
  dtype: Dtype = "f32";
  bytes = new PickleBytes(0, new Uint8Array(), null);
  /** Whether the first index, not the last, moves fastest. */
  isColumnMajor = false;

  /** An array without axes. */
  static ofNumber(value: number): NumpyArray {
    const array = new NumpyArray();
    array.shape = [];
    array.dtype = "f64";
    array.bytes = new PickleBytes(8, new Uint8Array(Float64Array.of(value).buffer), null);
    return array;
  }

  /** `(version, shape, dtype, whether column-major, bytes)`. */
  override setState(state: PickleValue): void {
    const [, shape, dtype, isColumnMajor, bytes] = items(state);
    this.fill(shape, dtype, isColumnMajor === true, bytes);
  }

  fill(
    sizes: PickleValue | undefined,
    type: PickleValue | undefined,
    isColumnMajor: boolean,
    bytes: PickleValue | undefined,
  ): this {
    const shape = items(sizes);
    const wanted = elementCount(shape) * BYTES_PER_ELEMENT[this.dtype = dtypeOf(type)];
    if (!(bytes instanceof PickleBytes) || bytes.size !== wanted) {
      refuse(
        `it has a NumPy array of shape ${listText(shape)} in ${
          bytes instanceof PickleBytes ? `${bytes.size} bytes` : describe(bytes)
        }, ${wanted} bytes are needed`,
      );
    }
    this.shape = shape as number[];
    this.isColumnMajor = isColumnMajor;
    this.bytes = bytes;
    return this;
  }
}

export const NUMPY_GLOBALS: ReadonlyMap<string, PickleValue> = new Map(functions({
  "numpy.dtype": ([code]) => new NumpyDtype(typeof code === "string" ? code : ""),
  "numpy.ndarray": () => new NumpyArray(),
  "numpy.core.multiarray.scalar": scalar,
  "numpy._core.multiarray.scalar": scalar,
  "numpy.core.multiarray._reconstruct": () => new NumpyArray(),
  "numpy._core.multiarray._reconstruct": () => new NumpyArray(),
  "numpy.core.numeric._frombuffer": fromBuffer,
  "numpy._core.numeric._frombuffer": fromBuffer,
  // By which protocol 2, which has no bytes, writes them as text.
  "_codecs.encode": encode,
}));

/** The arrays among the values of a pickle that lies in `file`. */
export function numpyEntries(
  values: ReadonlyMap<string, PickleExtra>,
  file: ByteRange,
): Map<string, TensorEntry> {
  const entries = new Map<string, TensorEntry>();
  for (const [name, value] of values) {
    if (!(value instanceof NumpyArray)) continue;
    const { dtype, shape, bytes: { offset, size, head } } = value;
    const elements = offset === null ? inMemory(head) : part(file, offset, size);
    const view = { offset: 0, shape, strides: stridesOf(value) };
    entries.set(name, viewEntry(name, dtype, view, () => Promise.resolve(elements)));
  }
  return entries;
}

/** How many elements apart neighbours along each axis lie. */
function stridesOf({ shape, isColumnMajor }: NumpyArray): number[] {
  const product = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);
  return shape.map((_, axis) =>
    product(isColumnMajor ? shape.slice(0, axis) : shape.slice(axis + 1))
  );
}

function dtypeOf(value: PickleValue | undefined): Dtype {
  if (!(value instanceof NumpyDtype)) refuse(`it has an array of type ${describe(value)}`);
  const dtype = DTYPES[value.code];
  if (!dtype) {
    refuse(`it has an array of NumPy's type "${value.code}"; nada reads ${Object.keys(DTYPES)}`);
  }
  if (value.isBigEndian) refuse("it has an array in big-endian order; save it anew on a PC");
  return dtype;
}

/** A number with a NumPy type, as a plain one. */
function scalar([type, bytes]: readonly PickleValue[]): PickleValue {
  const dtype = dtypeOf(type);
  if (!(bytes instanceof PickleBytes) || bytes.size !== BYTES_PER_ELEMENT[dtype]) {
    refuse(`it has a NumPy number in ${describe(bytes)}, ${BYTES_PER_ELEMENT[dtype]} are needed`);
  }
  return NUMBERS[dtype](bytes.head.slice().buffer)[0]!;
}

function fromBuffer([bytes, dtype, shape, order]: readonly PickleValue[]): PickleValue {
  return new NumpyArray().fill(shape, dtype, order === "F", bytes);
}

function encode([text, encoding]: readonly PickleValue[]): PickleBytes {
  if (encoding !== "latin1" || typeof text !== "string") {
    refuse(`it has bytes as ${describe(text)} in ${describe(encoding)}; save it with protocol 3`);
  }
  const bytes = Uint8Array.from(text, (c) => c.charCodeAt(0));
  return new PickleBytes(bytes.length, bytes, null);
}
