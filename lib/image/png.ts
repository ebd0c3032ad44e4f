import { decode, encode } from "fast-png";
import { inflateSync } from "node:zlib";

import { UserError } from "../errors.ts";
import { formatName } from "./format_name.ts";
import type { RgbaImage, RgbImage } from "./image.ts";
import {
  concatBytes,
  hasSignature,
  type PngChunk,
  readChunks,
  readText,
  textChunk,
  writeChunks,
} from "./png_chunks.ts";

/** The most pixels `decodePng` takes: 40 megapixels, 120 MB as RGB. */
export const MAX_PIXELS = 40e6;

/** What a PNG file holds: its pixels and its text chunks by keyword. */
export interface DecodedPng extends RgbImage {
  text: Record<string, string>;
}

/**
 * A PNG file of the image, with a text chunk for each entry of `text` before the pixels. Any text
 * is kept as it is; a keyword has 1 to 79 Latin-1 characters (else a `RangeError`).
 */
export function encodePng(
  { width, height, channels, data }: RgbImage | RgbaImage,
  text: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const [header, ...rest] = readChunks(encode({ width, height, channels, data, depth: 8 }));
  const texts = Object.entries(text).map(([keyword, value]) => textChunk(keyword, value));
  return writeChunks([header!, ...texts, ...rest]);
}

/**
 * The pixels of a PNG file of any kind as 8-bit RGB: alpha is dropped, grey is repeated, palettes
 * are looked up (as PIL's `convert("RGB")` does) and 16-bit samples keep their high byte.
 *
 * Throws a `UserError` that quotes `name` for what is not a PNG file, is damaged, or has more than
 * `MAX_PIXELS` pixels; the last before memory is spent on them.
 */
export function decodePng(bytes: Uint8Array, name?: string): DecodedPng {
  const action = `Cannot read ${name === undefined ? "the PNG image" : `"${name}"`}`;
  if (!hasSignature(bytes)) {
    throw new UserError(`${action}: it is ${formatName(bytes)}, not a PNG file; convert it to PNG`);
  }
  const chunks = orDamaged(action, () => readChunks(bytes));
  const header = orDamaged(action, () => readHeader(chunks));
  const { width, height, depth, interlaced } = header;
  if (width * height > MAX_PIXELS) {
    throw new UserError(
      `${action}: it has ${width}x${height} pixels (${(width * height / 1e6).toFixed(1)} ` +
        `megapixels), the limit is ${MAX_PIXELS / 1e6} megapixels; make it smaller`,
    );
  }
  if (interlaced && depth < 8) {
    throw new UserError(
      `${action}: it is interlaced with ${depth} bits a pixel, and interlaced images need 8 or ` +
        `16; save it without interlacing`,
    );
  }
  const data = orDamaged(action, () => readPixels(chunks, header));
  const text = Object.fromEntries(chunks.map(readText).filter((entry) => entry !== null));
  return { width, height, channels: 3, data, text };
}

interface Header {
  width: number;
  height: number;
  /** Bits a sample: 1, 2, 4, 8 or 16. */
  depth: number;
  /** Samples a pixel: 1 grey or palette index, 2 grey and alpha, 3 RGB, 4 RGBA. */
  samples: number;
  interlaced: boolean;
}

const KINDS: Record<number, { samples: number; depths: number[] }> = {
  0: { samples: 1, depths: [1, 2, 4, 8, 16] }, // grey
  2: { samples: 3, depths: [8, 16] }, // RGB
  3: { samples: 1, depths: [1, 2, 4, 8] }, // palette
  4: { samples: 2, depths: [8, 16] }, // grey and alpha
  6: { samples: 4, depths: [8, 16] }, // RGBA
};

function readHeader([first]: PngChunk[]): Header {
  if (first?.type !== "IHDR" || first.data.length !== 13) throw new Error("it has no header");
  const view = new DataView(first.data.buffer, first.data.byteOffset);
  const [width, height, depth] = [view.getUint32(0), view.getUint32(4), view.getUint8(8)];
  const kind = KINDS[view.getUint8(9)];
  if (width === 0 || height === 0 || !kind?.depths.includes(depth)) {
    throw new Error("its header holds impossible values");
  }
  return { width, height, depth, samples: kind.samples, interlaced: view.getUint8(12) !== 0 };
}

function readPixels([first, ...rest]: PngChunk[], header: Header): Uint8Array {
  // Only what makes up the pixels goes on: transparency is dropped anyway, and others, such as a
  // colour profile that inflates to gigabytes or a second header, can only do harm.
  const needed = rest.filter(({ type }) => ["PLTE", "IDAT", "IEND"].includes(type));
  checkStream(needed, header);
  const { data, depth, channels, palette } = decode(writeChunks([first!, ...needed]));
  if (palette) {
    return lookUp(unpack(data, header), palette);
  }
  const scale = depth === 16 ? 1 / 256 : 255 / (2 ** depth - 1);
  return repeatGrey(unpack(data, header), channels, scale);
}

// fast-png inflates without a bound, and reads what a stream that ends early lacks as black. So its
// length is checked first, with the native zlib, which adds a few milliseconds.
function checkStream(chunks: PngChunk[], header: Header): void {
  const compressed = chunks.filter(({ type }) => type === "IDAT").map(({ data }) => data);
  const expected = streamBytes(header);
  let found: number;
  try {
    found = inflateSync(concatBytes(compressed), { maxOutputLength: expected }).length;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new Error("it holds more pixels than its header says");
  }
  if (found < expected) throw new Error("its pixels end early");
}

/** Bytes of the inflated pixel stream: each row of each pass begins with its filter's byte. */
function streamBytes({ width, height, depth, samples, interlaced }: Header): number {
  const passes = interlaced ? ADAM7 : [[0, 0, 1, 1]] as const;
  let total = 0;
  for (const [x, y, dx, dy] of passes) {
    const columns = Math.ceil((width - x) / dx);
    const rows = Math.ceil((height - y) / dy);
    if (columns > 0 && rows > 0) total += rows * (1 + Math.ceil(columns * samples * depth / 8));
  }
  return total;
}

/** First column, first row, column step and row step of each pass of an interlaced file. */
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

/** One array element a sample; samples of less than 8 bits lie packed in rows of whole bytes. */
function unpack(
  data: ArrayLike<number>,
  { width, height, depth }: Header,
): ArrayLike<number> {
  if (depth >= 8) return data;
  const samples = new Uint8Array(width * height);
  const rowBytes = Math.ceil(width * depth / 8);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const bit = x * depth;
      const byte = data[y * rowBytes + (bit >> 3)]!;
      samples[i] = (byte >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
    }
  }
  return samples;
}

function lookUp(indices: ArrayLike<number>, palette: number[][]): Uint8Array {
  const rgb = new Uint8Array(indices.length * 3);
  for (let i = 0; i < indices.length; i++) {
    rgb.set(palette[indices[i]!] ?? [0, 0, 0], i * 3);
  }
  return rgb;
}

/** RGB out of grey, grey and alpha, RGB or RGBA samples, each times `scale` and rounded down. */
function repeatGrey(samples: ArrayLike<number>, channels: number, scale: number): Uint8Array {
  const count = samples.length / channels;
  const [g, b] = channels < 3 ? [0, 0] : [1, 2];
  const rgb = new Uint8Array(count * 3);
  for (let i = 0; i < count; i++) {
    rgb[i * 3] = samples[i * channels]! * scale;
    rgb[i * 3 + 1] = samples[i * channels + g]! * scale;
    rgb[i * 3 + 2] = samples[i * channels + b]! * scale;
  }
  return rgb;
}

function orDamaged<T>(action: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`${action}: the file is damaged (${reason}); save or fetch it again`);
  }
}
