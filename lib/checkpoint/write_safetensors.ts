import { writeAtomic } from "../files.ts";
import { CHECKSUMS, checksumsText, sealHeader } from "./checksums.ts";
import { byKey, LENGTH_BYTES, METADATA } from "./safetensors.ts";

export interface TensorData {
  shape: readonly number[];
  /** Row-major, as many elements as the shape has. */
  data: Float32Array | Float16Array;
}

/**
 * Writes float32 and float16 tensors under their names, and texts as metadata with checksums of it
 * all, replacing `path` at once or not at all. The same content gives the same bytes, in whichever
 * order it comes: sorted by name. The elements are written from where they are, without a copy of the
 * file in memory.
 *
 * Throws a RangeError where data and shape disagree or a name is taken twice, a UserError where the
 * file system refuses.
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<[name: string, tensor: TensorData]>,
  metadata: Record<string, string> = {},
): Promise<void> {
  const parts = safetensorsParts(tensors, metadata);
  await writeAtomic(path, async (write) => {
    for (const part of parts) await write(part);
  });
}

/** What `writeSafetensors` writes, piece by piece: views of the tensors, no copies. */
export function safetensorsParts(
  tensors: Iterable<[name: string, tensor: TensorData]>,
  metadata: Record<string, string> = {},
): Uint8Array<ArrayBuffer>[] {
  const sorted = [...tensors].sort(byKey);
  const contents = sorted.map(([, { data }]) =>
    new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength)
  );
  const header = encodeHeader(sorted, { ...metadata, [CHECKSUMS]: checksumsText(contents) });
  sealHeader(header);
  const length = new DataView(new ArrayBuffer(LENGTH_BYTES));
  length.setBigUint64(0, BigInt(header.length), true);
  return [new Uint8Array(length.buffer), header, ...contents];
}

function encodeHeader(
  sorted: [string, TensorData][],
  metadata: Record<string, string>,
): Uint8Array<ArrayBuffer> {
  const texts = Object.entries(metadata).sort(byKey).map(([key, text]) => field(key, text));
  const fields = [`"${METADATA}":{${texts.join(",")}}`];

  let offset = 0;
  sorted.forEach(([name, { shape, data }], i) => {
    if (name === METADATA || name === sorted[i + 1]?.[0]) {
      throw new RangeError(`Cannot write a tensor "${name}": the name is taken`);
    }
    if (shape.reduce((product, size) => product * size, 1) !== data.length) {
      throw new RangeError(`Cannot write "${name}": ${data.length} elements for shape [${shape}]`);
    }
    const end = offset + data.byteLength;
    fields.push(
      field(name, {
        dtype: data instanceof Float16Array ? "F16" : "F32",
        shape,
        data_offsets: [offset, end],
      }),
    );
    offset = end;
  });

  const json = new TextEncoder().encode(`{${fields.join(",")}}`);
  // Spaces fill up to a multiple of 8, so that readers may map the elements as they are.
  const aligned = new Uint8Array(Math.ceil(json.length / 8) * 8).fill(0x20);
  aligned.set(json);
  return aligned;
}

/** Written out by hand since an object would bring keys such as "10" into another order. */
function field(key: string, value: unknown): string {
  return `${JSON.stringify(key)}:${JSON.stringify(value)}`;
}
