/**
 * Checksums in safetensors files, which have none of their own: nada writes some into the metadata of
 * its files, and compares them where they are. They are CRC-32s, as in zip archives, which tell every
 * damage to a single byte and all but one in 2^32 of any other.
 *
 *     "nada.crc32": of the header, then of the elements of each tensor, in the order of their names
 *
 * in eight hexadecimal digits each; in the header's, its own digits count as zeros.
 */
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import type { ByteRange } from "./range_file.ts";
import { refuse } from "./refusal.ts";

/** The key in the metadata. */
export const CHECKSUMS = "nada.crc32";

const DIGITS = 8;
/** The beginning of the text in a header that nada wrote; within names, quotes are escaped. */
const BEFORE = `"${CHECKSUMS}":"`;

/** The text of the metadata, while the header's own checksum is not yet known. */
export function checksumsText(contents: readonly Uint8Array[]): string {
  return [0, ...contents.map((bytes) => crc32(bytes))].map(digits).join("");
}

/** Puts the checksum of a whole header, which has such a text in its metadata, into it. */
export function sealHeader(header: Uint8Array): void {
  const at = Buffer.from(header.buffer, header.byteOffset, header.length).indexOf(BEFORE);
  header.set(new TextEncoder().encode(digits(crc32(header))), at + BEFORE.length);
}

/**
 * The checksums of tensors, given by name in their order, which a header has in its metadata. Refuses
 * a header that does not match its own.
 */
export function readChecksums(
  header: Uint8Array,
  text: string,
  names: readonly string[],
): Map<string, string> {
  const blank = Buffer.from(header);
  const at = blank.indexOf(BEFORE) + BEFORE.length;
  blank.fill("0", at, at + DIGITS);
  if (
    text.length !== DIGITS * (1 + names.length) || text.slice(0, DIGITS) !== digits(crc32(blank))
  ) {
    refuseDamage("its header");
  }
  return new Map(names.map((name, i) => [name, text.slice(DIGITS * (i + 1), DIGITS * (i + 2))]));
}

/** The same bytes, summed up while they are read, once and in order. */
export class SummedRange implements ByteRange {
  #sum = 0;

  constructor(private readonly range: ByteRange) {}

  get size(): number {
    return this.range.size;
  }

  async readInto(offset: number, target: Uint8Array): Promise<void> {
    await this.range.readInto(offset, target);
    this.#sum = crc32(target, this.#sum);
  }

  /** Refuses what was read where that is not the checksum; undefined for none. */
  compare(wanted: string | undefined): void {
    if (wanted !== undefined && digits(this.#sum) !== wanted) refuseDamage("it");
  }
}

function refuseDamage(what: string): never {
  refuse(
    `${what} does not match its checksum in "${CHECKSUMS}" of the metadata: the file is damaged, or a ` +
      `program that kept this text changed it; get it anew`,
  );
}

function digits(crc: number): string {
  return crc.toString(16).padStart(DIGITS, "0");
}
