import { crc32, deflateRawSync } from "node:zlib";
import { type Bytes, bytesOf, concat, fields, utf8 } from "./bytes.ts";

/** One file of an archive; all but the first two fields are for telling lies in its headers. */
export interface ZipPart {
  name: string;
  content: Bytes;
  deflate?: boolean;
  /** What takes the place of the packed bytes. */
  packed?: Bytes;
  method?: number;
  flags?: number;
  crc?: number;
  size?: number | bigint;
  packedSize?: number | bigint;
  offset?: number | bigint;
  localMethod?: number;
}

export interface ZipOptions {
  /** Sizes, offsets and the end record in the 64-bit form, as PyTorch writes them. */
  zip64?: boolean;
  /** Bytes of filling in each local header, by which PyTorch aligns contents. */
  padding?: number;
  comment?: string;
  /** Values in place of the true ones in the end record. */
  end?: {
    disk?: number;
    count?: number | bigint;
    size?: number | bigint;
    offset?: number | bigint;
  };
}

export function buildZip(parts: ZipPart[], options: ZipOptions = {}): Bytes {
  const locals: Bytes[] = [];
  const directory: Bytes[] = [];
  let offset = 0;
  for (const part of parts) {
    const packed = part.packed ??
      (part.deflate ? bytesOf(new Uint8Array(deflateRawSync(part.content))) : part.content);
    const name = utf8(part.name);
    const extra = new Uint8Array(options.padding ?? 0);
    const method = part.method ?? (part.deflate ? 8 : 0);
    const local = concat(
      fields([4, 0x04034b50], [2, 20], [2, 0x0808], [2, part.localMethod ?? method], [4, 0]),
      // Sizes and checksum are left to the directory, as PyTorch does.
      fields([4, 0], [4, 0], [4, 0], [2, name.length], [2, extra.length]),
      name,
      extra,
      packed,
    );
    locals.push(local);
    directory.push(directoryEntry(part, method, packed.length, offset, options.zip64 ?? false));
    offset += local.length;
  }
  const entries = concat(...directory);
  return concat(...locals, entries, endRecord(parts.length, entries.length, offset, options));
}

function directoryEntry(
  part: ZipPart,
  method: number,
  packedSize: number,
  offset: number,
  zip64: boolean,
): Bytes {
  const name = utf8(part.name);
  const long = [
    part.size ?? part.content.length,
    part.packedSize ?? packedSize,
    part.offset ?? offset,
  ];
  const [size, packed, start] = zip64 ? [0xffffffff, 0xffffffff, 0xffffffff] : long;
  const extra = zip64
    ? fields([2, 0x7777], [2, 2], [2, 0], [2, 1], [2, 24], [8, long[0]!], [8, long[1]!], [
      8,
      long[2]!,
    ])
    : new Uint8Array();
  return concat(
    fields([4, 0x02014b50], [2, 20], [2, 20], [2, part.flags ?? 0x0808], [2, method], [4, 0]),
    fields([4, part.crc ?? crc32(part.content)], [4, packed!], [4, size!], [2, name.length]),
    fields([2, extra.length], [2, 0], [2, 0], [2, 0], [4, 0], [4, start!]),
    name,
    extra,
  );
}

function endRecord(entries: number, bytes: number, at: number, options: ZipOptions): Bytes {
  const { disk = 0, count = entries, size = bytes, offset = at } = options.end ?? {};
  const comment = utf8(options.comment ?? "");
  const short = (values: [number | bigint, number | bigint, number | bigint]) =>
    concat(
      fields([4, 0x06054b50], [2, disk], [2, disk], [2, values[0]], [2, values[0]]),
      fields([4, values[1]], [4, values[2]], [2, comment.length]),
      comment,
    );
  if (!options.zip64) return short([count, size, offset]);
  return concat(
    fields([4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, disk], [4, disk]),
    fields([8, count], [8, count], [8, size], [8, offset]),
    fields([4, 0x07064b50], [4, 0], [8, at + bytes], [4, 1]),
    short([0xffff, 0xffffffff, 0xffffffff]),
  );
}
