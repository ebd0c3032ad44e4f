import type { Contents, TensorEntry } from "./checkpoint.ts";
import { CHECKSUMS, readChecksums, SummedRange } from "./checksums.ts";
import {
  BYTES_PER_ELEMENT,
  type Dtype,
  elementCount,
  float32Pieces,
  isIndex,
  listText,
  readFloat32,
} from "./elements.ts";
import { type ByteRange, part, readBytes } from "./range_file.ts";
import { refuse } from "./refusal.ts";
import { parseStrictJson } from "./strict_json.ts";

/** The header's length comes first, in 8 bytes. */
export const LENGTH_BYTES = 8;
export const METADATA = "__metadata__";
const MAX_HEADER_BYTES = 100_000_000;

const DTYPES = new Map<unknown, Dtype>([
  ["F64", "f64"],
  ["F32", "f32"],
  ["F16", "f16"],
  ["BF16", "bf16"],
  ["I64", "i64"],
  ["I32", "i32"],
  ["I16", "i16"],
  ["I8", "i8"],
  ["U8", "u8"],
  ["BOOL", "bool"],
]);

interface Extent {
  entry: TensorEntry;
  /** First byte and the one after the last, from the end of the header. */
  begin: number;
  end: number;
}

/**
 * Reads a safetensors file: the length of the header, the header in JSON, then the elements of the
 * tensors, which have to fill the rest without a gap. Where nada wrote it, it has checksums.
 */
export async function readSafetensors(file: ByteRange): Promise<Contents> {
  const { header: { [METADATA]: texts = {}, ...fields }, bytes, dataStart } = await readHeader(
    file,
  );
  const { [CHECKSUMS]: sums, ...metadata } = readMetadata(texts);
  const sorted = Object.entries(fields).sort(byKey).map(([name]) => name);
  const checksums = sums === undefined ? new Map() : readChecksums(bytes, sums, sorted);
  const data = part(file, dataStart, file.size - dataStart);
  const extents = Object.entries(fields).map(([name, value]) =>
    readExtent(name, value, data, checksums.get(name))
  );
  checkExtents(extents, data.size);
  return {
    format: "safetensors",
    tensors: new Map(extents.map(({ entry }) => [entry.name, entry])),
    metadata,
    values: new Map(),
    modules: new Map(),
  };
}

/** The order of names in files that nada writes. */
export function byKey([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

interface Header {
  header: { readonly [name: string]: unknown };
  bytes: Uint8Array;
  dataStart: number;
}

async function readHeader(file: ByteRange): Promise<Header> {
  const length = new DataView((await readBytes(file, 0, LENGTH_BYTES)).buffer);
  const size = Number(length.getBigUint64(0, true)); // rounded above 2^53, refused all the same
  const dataStart = LENGTH_BYTES + size;
  if (dataStart > file.size || size > MAX_HEADER_BYTES) {
    refuse(
      `its header is said to take ${size} bytes of a file of ${file.size}; ` +
        "it is cut off, or no safetensors file",
    );
  }
  const bytes = await readBytes(file, LENGTH_BYTES, size);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    refuse("its header is not valid UTF-8", error);
  }
  const header = parseStrictJson(text);
  if (!isObject(header)) refuse("its header is not a JSON object");
  return { header, bytes, dataStart };
}

function readMetadata(value: unknown): Record<string, string> {
  if (!isObject(value) || !Object.values(value).every((item) => typeof item === "string")) {
    refuse(`its "${METADATA}" is not made of texts`);
  }
  return value as Record<string, string>;
}

function readExtent(
  name: string,
  value: unknown,
  data: ByteRange,
  checksum: string | undefined,
): Extent {
  if (
    !isObject(value) || !("dtype" in value) || !("shape" in value) || !("data_offsets" in value)
  ) {
    refuse(`"${name}" in its header lacks a dtype, a shape or data_offsets`);
  }
  const dtype = DTYPES.get(value.dtype);
  if (!dtype) {
    const found = typeof value.dtype === "string" ? value.dtype : typeof value.dtype;
    refuse(`"${name}" is of type ${found}; nada reads ${[...DTYPES.keys()].join(", ")}`);
  }
  if (!Array.isArray(value.shape)) refuse(`"${name}" has a shape that is no list`);
  const shape: number[] = value.shape;
  const count = elementCount(shape);
  const sizeBytes = count * BYTES_PER_ELEMENT[dtype];

  const offsets = value.data_offsets;
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isIndex)) {
    refuse(`"${name}" has data_offsets that are not two whole numbers`);
  }
  const [begin, end] = offsets as [number, number];
  if (end - begin !== sizeBytes) {
    refuse(
      `"${name}" lies at bytes ${begin} to ${end}, but ${listText(shape)} of ${value.dtype} ` +
        `take ${sizeBytes}`,
    );
  }
  const entry: TensorEntry = {
    name,
    dtype,
    shape,
    count,
    sizeBytes,
    async read() {
      const summed = new SummedRange(data);
      const values = await readFloat32(summed, dtype, begin, count);
      summed.compare(checksum);
      return values;
    },
    async *pieces() {
      const summed = new SummedRange(data);
      yield* float32Pieces(summed, dtype, begin, count);
      summed.compare(checksum);
    },
  };
  return { entry, begin, end };
}

function checkExtents(extents: Extent[], size: number): void {
  let filled = 0;
  for (
    const { entry, begin, end } of extents.toSorted((a, b) => a.begin - b.begin || a.end - b.end)
  ) {
    if (begin !== filled) {
      const how = begin < filled ? "overlaps" : "leaves a gap after";
      refuse(`"${entry.name}", at byte ${begin}, ${how} the tensor that ends at ${filled}`);
    }
    filled = end;
  }
  if (filled > size) {
    refuse(
      `it is cut off: its tensors take ${filled} bytes, ${size} are there; fetch the file again`,
    );
  }
  if (filled < size) refuse(`its tensors take ${filled} bytes, but ${size} are there`);
}

function isObject(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
