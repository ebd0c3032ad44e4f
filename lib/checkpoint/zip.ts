import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import { release } from "../release.ts";
import { type ByteRange, inMemory, part, readBytes } from "./range_file.ts";
import { refuse } from "./refusal.ts";

const LOCAL_HEADER = { signature: 0x04034b50, size: 30 };
const CENTRAL_HEADER = { signature: 0x02014b50, size: 46 };
const END = { signature: 0x06054b50, size: 22 };
const END64 = { signature: 0x06064b50, size: 56 };
const END64_LOCATOR = { signature: 0x07064b50, size: 20 };

const MAX_COMMENT_BYTES = 0xffff;
/** Far above any checkpoint: an entry takes about a hundred bytes, and one holds a tensor. */
const MAX_DIRECTORY_BYTES = 32 * 2 ** 20;
/** Deflate cannot shrink data further than about 1:1032. */
const MAX_DEFLATE_RATIO = 1032;
/** What is deflated is unpacked into memory as a whole. */
const MAX_INFLATED_BYTES = 2 ** 30;

export interface ZipEntry {
  name: string;
  /** Bytes of the content; `packedBytes` is what it takes in the archive. */
  size: number;
  packedBytes: number;
  deflated: boolean;
  crc: number;
  headerOffset: number;
  /** The content and its header end at this offset at the latest. */
  limit: number;
}

/**
 * The entries of a zip archive by name. The directory is checked as a whole before anything else
 * is read: plain entries in one file, stored or deflated, none touching another.
 */
export async function readDirectory(file: ByteRange): Promise<Map<string, ZipEntry>> {
  const end = await findEnd(file);
  if (end.offset + end.size > end.before) {
    refuse(`its zip directory does not fit: ${end.size} bytes at ${end.offset} of ${file.size}`);
  }
  if (end.size > MAX_DIRECTORY_BYTES) refuse(`its zip directory takes ${end.size} bytes`);
  const entries = parseDirectory(await readBytes(file, end.offset, end.size), end.count);
  checkExtents(entries, end.offset);

  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  if (byName.size < entries.length) {
    const twice = entries.find((entry) => byName.get(entry.name) !== entry)!;
    refuse(`its zip directory names "${twice.name}" twice`);
  }
  return byName;
}

/** The content of an entry: a window on the file if stored, unpacked into memory if deflated. */
export async function openEntry(file: ByteRange, entry: ZipEntry): Promise<ByteRange> {
  const { name, headerOffset, packedBytes } = entry;
  const header = new DataView((await readBytes(file, headerOffset, LOCAL_HEADER.size)).buffer);
  const start = headerOffset + LOCAL_HEADER.size + header.getUint16(26, true) +
    header.getUint16(28, true);
  const agrees = header.getUint32(0, true) === LOCAL_HEADER.signature &&
    header.getUint16(8, true) === (entry.deflated ? 8 : 0) && start + packedBytes <= entry.limit;
  if (!agrees) refuse(`the header of "${name}" in the zip does not match the directory`);
  const packed = part(file, start, packedBytes);
  return entry.deflated ? inMemory(await inflate(packed, entry)) : packed;
}

/** The whole content of a small entry, checked against its checksum. */
export async function readEntry(
  file: ByteRange,
  entry: ZipEntry,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const { name, size } = entry;
  if (size > maxBytes) refuse(`"${name}" takes ${size} bytes, at most ${maxBytes} are read`);
  const bytes = await readBytes(await openEntry(file, entry), 0, size);
  compare(entry, crc32(bytes));
  return bytes;
}

/** Compares the content of an entry, as `openEntry` gives it, with its checksum. */
export async function checkContent(content: ByteRange, entry: ZipEntry): Promise<void> {
  if (entry.crc === 0) return;
  let crc = 0;
  for await (const piece of pieces(content)) {
    crc = crc32(piece, crc);
    release(piece);
  }
  compare(entry, crc);
}

/** PyTorch can be told to leave checksums out and writes 0 then. */
function compare({ name, crc }: ZipEntry, found: number): void {
  if (crc !== 0 && found !== crc) {
    refuse(`"${name}" does not match its checksum: the file is damaged, fetch it again`);
  }
}

async function inflate(packed: ByteRange, { name, size }: ZipEntry): Promise<Uint8Array> {
  if (size > MAX_INFLATED_BYTES) {
    refuse(`"${name}" is deflated and takes ${size} bytes; at most 1 GiB is unpacked`);
  }
  const out = new Uint8Array(size);
  let filled = 0;
  try {
    const chunks = ReadableStream.from(pieces(packed))
      .pipeThrough(new DecompressionStream("deflate-raw"));
    for await (const chunk of chunks) {
      if (filled + chunk.length > size) break;
      out.set(chunk, filled);
      filled += chunk.length;
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    refuse(`"${name}" is not valid deflate data`, error);
  }
  if (filled !== size) refuse(`"${name}" does not unpack to the ${size} bytes the zip declares`);
  return out;
}

async function* pieces(range: ByteRange): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const piece = 2 ** 18;
  for (let at = 0; at < range.size; at += piece) {
    yield await readBytes(range, at, Math.min(piece, range.size - at));
  }
}

interface End {
  /** Where the directory lies and how many entries it has. */
  offset: number;
  size: number;
  count: number;
  /** The first byte after which no part of the directory may lie. */
  before: number;
}

/** Finds the record at the end of the archive that says where its directory is. */
async function findEnd(file: ByteRange): Promise<End> {
  const tailSize = Math.min(file.size, END.size + MAX_COMMENT_BYTES + END64_LOCATOR.size);
  const tail = Buffer.from((await readBytes(file, file.size - tailSize, tailSize)).buffer);
  let at = tail.length - END.size;
  while (at >= 0 && !isEnd(tail, at)) at--;
  if (at < 0) refuse(`the zip archive is cut off: it has no end record; fetch the file again`);

  const record: End = {
    count: tail.readUInt16LE(at + 10),
    size: tail.readUInt32LE(at + 12),
    offset: tail.readUInt32LE(at + 16),
    before: file.size - tailSize + at,
  };
  const locator = at - END64_LOCATOR.size;
  if (locator >= 0 && tail.readUInt32LE(locator) === END64_LOCATOR.signature) {
    return await readEnd64(file, tail.subarray(locator), record.before - END64_LOCATOR.size);
  }
  if (tail.readUInt16LE(at + 4) !== 0 || tail.readUInt16LE(at + 6) !== 0) refuseDisks();
  return record;
}

function isEnd(tail: Buffer, at: number): boolean {
  return tail.readUInt32LE(at) === END.signature &&
    tail.readUInt16LE(at + 20) === tail.length - at - END.size;
}

/** The 64-bit form of the end record, which the locator in front of the short one points at. */
async function readEnd64(file: ByteRange, locator: Buffer, locatorOffset: number): Promise<End> {
  const before = toNumber(locator.readBigUInt64LE(8));
  if (before + END64.size > locatorOffset) {
    refuse(`its zip64 end record is said to be at ${before}, past its place`);
  }
  const record = Buffer.from((await readBytes(file, before, END64.size)).buffer);
  if (record.readUInt32LE(0) !== END64.signature) {
    refuse(`its zip64 end record is not at ${before}, where it is said to be`);
  }
  if (record.readUInt32LE(16) !== 0 || record.readUInt32LE(20) !== 0) refuseDisks();
  return {
    count: toNumber(record.readBigUInt64LE(32)),
    size: toNumber(record.readBigUInt64LE(40)),
    offset: toNumber(record.readBigUInt64LE(48)),
    before,
  };
}

function parseDirectory(bytes: Uint8Array<ArrayBuffer>, count: number): ZipEntry[] {
  const directory = Buffer.from(bytes.buffer);
  const entries: ZipEntry[] = [];
  let at = 0;
  while (at < directory.length) {
    if (
      at + CENTRAL_HEADER.size > directory.length ||
      directory.readUInt32LE(at) !== CENTRAL_HEADER.signature
    ) refuse(`entry ${entries.length} of its zip directory is broken`);
    const nameEnd = at + CENTRAL_HEADER.size + directory.readUInt16LE(at + 28);
    const extraEnd = nameEnd + directory.readUInt16LE(at + 30);
    const next = extraEnd + directory.readUInt16LE(at + 32);
    if (next > directory.length) refuse(`entry ${entries.length} of its zip directory is cut off`);
    const name = directory.toString("utf8", at + CENTRAL_HEADER.size, nameEnd);
    entries.push(parseEntry(name, directory.subarray(at), directory.subarray(nameEnd, extraEnd)));
    at = next;
  }
  if (entries.length !== count) {
    refuse(`its zip directory holds ${entries.length} entries where ${count} are announced`);
  }
  return entries;
}

function parseEntry(name: string, header: Buffer, extra: Buffer): ZipEntry {
  // Nothing is ever written where such a name points, but whoever made it meant no good.
  if (/^\/|\\|\0|(^|\/)\.\.(\/|$)/.test(name)) refuse(`"${name}" leads out of the zip archive`);
  const flags = header.readUInt16LE(8);
  const method = header.readUInt16LE(10);
  // Bits for encryption, strong encryption, masked headers.
  if ((flags & 0x2041) !== 0) refuse(`"${name}" in the zip is encrypted`);
  if (method !== 0 && method !== 8) {
    refuse(`"${name}" is packed by zip method ${method}; nada reads stored and deflated entries`);
  }
  const long = longFields(name, extra);
  const size = long(header.readUInt32LE(24));
  const packedBytes = long(header.readUInt32LE(20));
  const headerOffset = long(header.readUInt32LE(42));
  if (header.readUInt16LE(34) !== 0) refuseDisks();

  const deflated = method === 8;
  if (deflated ? size > packedBytes * MAX_DEFLATE_RATIO : size !== packedBytes) {
    refuse(`"${name}" in the zip cannot hold ${size} bytes in ${packedBytes}`);
  }
  return {
    name,
    size,
    packedBytes,
    deflated,
    crc: header.readUInt32LE(16),
    headerOffset,
    limit: 0,
  };
}

/** Fields of the directory that are all ones have their value, in turn, in the zip64 extra field. */
function longFields(name: string, extra: Buffer): (field: number) => number {
  let at = 0;
  let end = 0;
  for (let field = 0; field + 4 <= extra.length;) {
    const next = field + 4 + extra.readUInt16LE(field + 2);
    if (extra.readUInt16LE(field) === 0x0001) [at, end] = [field + 4, Math.min(next, extra.length)];
    field = next;
  }
  return (field) => {
    if (field !== 0xffffffff) return field;
    if (at + 8 > end) refuse(`"${name}" in the zip lacks its 64-bit sizes`);
    at += 8;
    return toNumber(extra.readBigUInt64LE(at - 8));
  };
}

/** Gives each entry its limit, the start of what follows; refuses entries that reach beyond. */
function checkExtents(entries: ZipEntry[], directoryOffset: number): void {
  const inOrder = entries.toSorted((a, b) => a.headerOffset - b.headerOffset);
  inOrder.forEach((entry, i) => {
    entry.limit = inOrder[i + 1]?.headerOffset ?? directoryOffset;
    if (entry.headerOffset + LOCAL_HEADER.size + entry.packedBytes > entry.limit) {
      refuse(`"${entry.name}" in the zip overlaps what follows it; the file is damaged or cut off`);
    }
  });
}

/** Above 2^53 this rounds, but no file is that large: what is compared with its size still fails. */
function toNumber(value: bigint): number {
  return Number(value);
}

function refuseDisks(): never {
  refuse("it is one part of a zip archive in several; join them first");
}
