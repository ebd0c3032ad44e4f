import type { TensorEntry } from "./checkpoint.ts";
import {
  BYTES_PER_ELEMENT,
  type Dtype,
  elementCount,
  float32Pieces,
  readFloat32,
} from "./elements.ts";
import type { ByteRange } from "./range_file.ts";

/** Where the elements of a tensor lie in its storage, counted in elements. */
export interface View {
  offset: number;
  shape: readonly number[];
  strides: readonly number[];
}

/** Elements of the storage from the first to the last that the view touches; 0 when it has none. */
export function span({ shape, strides }: Omit<View, "offset">): number {
  if (shape.includes(0)) return 0;
  return 1 + shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis]!, 0);
}

/**
 * Whether an element may be met twice, other than by strides of 0 over all of a storage of `count`
 * elements, as `expand` makes them. Strides that slices, steps and transpositions of a tensor without
 * gaps have are such that each is beyond what those below it span.
 */
export function repeats({ shape, strides }: Omit<View, "offset">, count: number): boolean {
  if (shape.includes(0)) return false;
  const axes = shape.map((size, axis) => ({ size, stride: strides[axis]! }))
    .filter(({ size }) => size > 1);
  const moving = axes.filter(({ stride }) => stride > 0).sort((a, b) => a.stride - b.stride);
  let [spanned, seen] = [1, 1];
  for (const { size, stride } of moving) {
    if (stride < spanned) return true;
    spanned += (size - 1) * stride;
    seen *= size;
  }
  return moving.length < axes.length && seen < count;
}

/** A tensor that is a view of a storage, which `open` gives. */
export function viewEntry(
  name: string,
  dtype: Dtype,
  view: View,
  open: () => Promise<ByteRange>,
): TensorEntry {
  const count = elementCount(view.shape);
  return {
    name,
    dtype,
    shape: [...view.shape],
    count,
    sizeBytes: count * BYTES_PER_ELEMENT[dtype],
    read: async () => await readView(await open(), dtype, view),
    async *pieces() {
      const storage = await open();
      if (isRowMajor(view)) {
        yield* float32Pieces(storage, dtype, view.offset * BYTES_PER_ELEMENT[dtype], span(view));
      } else {
        yield await readView(storage, dtype, view);
      }
    },
  };
}

/** The view's elements in row-major order as float32. The bytes read are those of its span. */
export async function readView(
  storage: ByteRange,
  dtype: Dtype,
  view: View,
): Promise<Float32Array<ArrayBuffer>> {
  const offset = view.offset * BYTES_PER_ELEMENT[dtype];
  const values = await readFloat32(storage, dtype, offset, span(view));
  return isRowMajor(view) ? values : gather(values, view);
}

function isRowMajor({ shape, strides }: View): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis]!;
    if (size !== 1 && strides[axis] !== expected) return false;
    expected *= size;
  }
  return true;
}

function gather(values: Float32Array, { shape, strides }: View): Float32Array<ArrayBuffer> {
  const out = new Float32Array(shape.reduce((product, size) => product * size, 1));
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < out.length; to++) {
    out[to] = values[from]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}
