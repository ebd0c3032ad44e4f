import { crc32, inflateSync } from "node:zlib";

/** A chunk of a PNG file: `bytes` is all of it (length, type, data and checksum), `data` its data. */
export interface PngChunk {
  type: string;
  data: Uint8Array;
  bytes: Uint8Array;
}

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];

// A text chunk is a line or a prompt; more than this is a compressed bomb.
const MAX_TEXT_BYTES = 2 ** 20;

/** Does `bytes` begin as a PNG file? */
export function hasSignature(bytes: Uint8Array): boolean {
  return SIGNATURE.every((byte, i) => bytes[i] === byte);
}

/**
 * The chunks up to and with IEND. Throws an `Error` with the reason where the file ends early or a
 * chunk's checksum is wrong; in chunks a reader may ignore (lower-case type) that only drops them.
 */
export function readChunks(bytes: Uint8Array): PngChunk[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks: PngChunk[] = [];
  for (let at = SIGNATURE.length;;) {
    if (at + 12 > bytes.length) throw new Error("the file ends early");
    const end = at + 12 + view.getUint32(at);
    if (end > bytes.length) throw new Error("the file ends early");
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (crc32(bytes.subarray(at + 4, end - 4)) === view.getUint32(end - 4)) {
      chunks.push({
        type,
        data: bytes.subarray(at + 8, end - 4),
        bytes: bytes.subarray(at, end),
      });
    } else if (/^[A-Z]/.test(type)) {
      throw new Error(`the checksum of its ${type} chunk is wrong`);
    }
    if (type === "IEND") return chunks;
    at = end;
  }
}

/** A PNG file of these chunks. */
export function writeChunks(chunks: readonly PngChunk[]): Uint8Array<ArrayBuffer> {
  return concatBytes([Uint8Array.from(SIGNATURE), ...chunks.map(({ bytes }) => bytes)]);
}

/**
 * A text chunk: tEXt, which every reader knows, where Latin-1 holds the text, else iTXt (UTF-8).
 * Throws a `RangeError` for a keyword PNG does not allow.
 */
export function textChunk(keyword: string, text: string): PngChunk {
  if (!/^[\x21-\x7e\xa1-\xff]([\x20-\x7e\xa1-\xff]{0,77}[\x21-\x7e\xa1-\xff])?$/.test(keyword)) {
    throw new RangeError(
      `Cannot write the PNG text "${keyword}": a keyword has 1 to 79 Latin-1 characters and no ` +
        `space at its ends`,
    );
  }
  if (/^[\n\x20-\x7e\xa0-\xff]*$/.test(text)) {
    return chunk("tEXt", latin1(`${keyword}\0${text}`));
  }
  // After the keyword: not compressed (two bytes), no language, no translated keyword.
  const head = latin1(`${keyword}\0\0\0\0\0`);
  return chunk("iTXt", concatBytes([head, new TextEncoder().encode(text)]));
}

/** Keyword and text of a tEXt, zTXt or iTXt chunk; null for every other and for a broken one. */
export function readText({ type, data }: PngChunk): [keyword: string, text: string] | null {
  if (!["tEXt", "zTXt", "iTXt"].includes(type)) return null;
  const keywordEnd = data.indexOf(0);
  if (keywordEnd < 1) return null;
  const keyword = fromLatin1(data.subarray(0, keywordEnd));
  const rest = data.subarray(keywordEnd + 1);
  try {
    if (type === "tEXt") return [keyword, fromLatin1(rest)];
    if (type === "zTXt") return [keyword, fromLatin1(inflateText(rest.subarray(1)))];
    const languageEnd = rest.indexOf(0, 2);
    const translatedEnd = rest.indexOf(0, languageEnd + 1);
    if (languageEnd < 0 || translatedEnd < 0) return null;
    const text = rest.subarray(translatedEnd + 1);
    return [keyword, new TextDecoder().decode(rest[0] === 0 ? text : inflateText(text))];
  } catch {
    return null; // the compressed text is damaged or too long; the picture is still good
  }
}

function inflateText(data: Uint8Array): Uint8Array {
  return inflateSync(data, { maxOutputLength: MAX_TEXT_BYTES });
}

function chunk(type: string, data: Uint8Array): PngChunk {
  const bytes = new Uint8Array(data.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(latin1(type), 4);
  bytes.set(data, 8);
  view.setUint32(bytes.length - 4, crc32(bytes.subarray(4, -4)));
  return { type, data, bytes };
}

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

// Not TextDecoder("latin1"): the web's Latin-1 is windows-1252, which differs from 0x80 to 0x9f.
function fromLatin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

/** The parts, one after the other. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
