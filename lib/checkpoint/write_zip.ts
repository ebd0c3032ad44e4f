import { crc32 } from "node:zlib";
import type { Write } from "../files.ts";

/** A file of an archive. */
export interface ZipFile {
  /** With "/" between folders. */
  readonly name: string;
  readonly content: Uint8Array;
}

const LOCAL_SIGNATURE = 0x04034b50;
const ENTRY_SIGNATURE = 0x02014b50;
const END_SIGNATURE = 0x06054b50;
const LOCAL_BYTES = 30;
/** Names are UTF-8. */
const FLAGS = 0x0800;
/** An extra field by which PyTorch pads: "FB". */
const PADDING_ID = 0x4246;
const PADDING_HEADER = 4;
/** 1 January 1980, midnight, the earliest that can be said: archives do not depend on the clock. */
const DATE = 0x0021;
/** Offsets and sizes of the plain form have 32 bits. */
const MAX_BYTES = 2 ** 32 - 1;

/**
 * Writes a zip archive of files as they are, not compressed, their contents at multiples of
 * `alignment`. Throws a RangeError where the archive would have 4 GiB or more.
 */
export async function writeZip(
  write: Write,
  files: Iterable<ZipFile> | AsyncIterable<ZipFile>,
  alignment: number,
): Promise<void> {
  const directory: Uint8Array[] = [];
  let count = 0;
  let offset = 0;
  for await (const { name, content } of files) {
    count++;
    const encoded = new TextEncoder().encode(name);
    const unaligned = offset + LOCAL_BYTES + encoded.length + PADDING_HEADER;
    const padding = (alignment - unaligned % alignment) % alignment;
    const extra = record([2, PADDING_ID], [2, padding]);
    const common = [
      [2, FLAGS],
      [2, 0], // stored
      [2, 0], // time
      [2, DATE],
      [4, crc32(content)],
      [4, content.length],
      [4, content.length],
      [2, encoded.length],
    ] as const;
    const contentAt = unaligned + padding;
    if (contentAt + content.length > MAX_BYTES) {
      throw new RangeError(`Cannot write "${name}": the archive would have more than 4 GiB`);
    }
    await write(record([4, LOCAL_SIGNATURE], [2, 20], ...common, [2, PADDING_HEADER + padding]));
    await write(encoded);
    await write(extra);
    await write(new Uint8Array(padding));
    await write(content);
    directory.push(
      record(
        ...[[4, ENTRY_SIGNATURE], [2, 20], [2, 20], ...common] as const,
        // No extra field, comment, further disk or attributes; then where the file begins.
        ...[[2, 0], [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]] as const,
      ),
      encoded,
    );
    offset = contentAt + content.length;
  }
  for (const part of directory) await write(part);
  const directoryBytes = directory.reduce((sum, part) => sum + part.length, 0);
  await write(record(
    ...[[4, END_SIGNATURE], [2, 0], [2, 0], [2, count], [2, count]] as const,
    ...[[4, directoryBytes], [4, offset], [2, 0]] as const,
  ));
}

/** Little-endian fields, each of a width in bytes. */
function record(...fields: readonly (readonly [width: 2 | 4, value: number])[]): Uint8Array {
  const bytes = new Uint8Array(fields.reduce((sum, [width]) => sum + width, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [width, value] of fields) {
    if (width === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += width;
  }
  return bytes;
}
