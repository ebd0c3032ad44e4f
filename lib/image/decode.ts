/** Pictures from files of the usual formats. */
import { UserError } from "../errors.ts";
import { loadCanvasKit } from "./canvaskit.ts";
import { formatName } from "./format_name.ts";
import type { RgbImage } from "./image.ts";
import { decodePng, MAX_PIXELS } from "./png.ts";
import { hasSignature } from "./png_chunks.ts";

/**
 * The pixels of a PNG, JPEG or WebP file as 8-bit RGB; alpha is dropped. A JPEG is turned as its
 * Exif data says.
 *
 * Throws a UserError that quotes `name` for what is none of these, is damaged or cut short, or has
 * more than `MAX_PIXELS` pixels.
 */
export async function decodeImage(bytes: Uint8Array, name: string): Promise<RgbImage> {
  const refuse = (reason: string): never => {
    throw new UserError(`Cannot read "${name}": ${reason}`);
  };
  if (hasSignature(bytes)) return decodePng(bytes, name);
  const size = jpegSize(bytes) ?? webpSize(bytes) ??
    refuse(`it is ${formatName(bytes)}; PNG, JPEG and WebP are taken: save it as one of them`);
  if (size === "damaged") return refuse("the file is damaged or cut short; save or fetch it again");
  if (size.width * size.height > MAX_PIXELS) {
    refuse(
      `it has ${size.width}x${size.height} pixels, the limit is ${MAX_PIXELS / 1e6} megapixels; ` +
        `make it smaller`,
    );
  }
  const { kit } = await loadCanvasKit();
  const image = kit.MakeImageFromEncoded(bytes);
  if (image === null) return refuse("the file is damaged; save or fetch it again");
  try {
    const [width, height] = [image.width(), image.height()];
    const rgba = image.readPixels(0, 0, {
      width,
      height,
      colorType: kit.ColorType.RGBA_8888,
      alphaType: kit.AlphaType.Unpremul,
      colorSpace: kit.ColorSpace.SRGB,
    });
    if (rgba === null) return refuse("the file is damaged; save or fetch it again");
    const data = new Uint8Array(width * height * 3);
    for (let i = 0, j = 0; i < data.length; i += 3, j += 4) {
      data[i] = rgba[j]!;
      data[i + 1] = rgba[j + 1]!;
      data[i + 2] = rgba[j + 2]!;
    }
    return { width, height, channels: 3, data };
  } finally {
    image.delete();
  }
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** Size by the frame header; null for what is no JPEG file. */
function jpegSize(bytes: Uint8Array): Size | "damaged" | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8 || bytes[2] !== 0xff) return null;
  // Decoders fill in what is missing; a whole file has an end mark, perhaps with zeros behind.
  const end = bytes.findLastIndex((byte) => byte !== 0);
  if (bytes[end] !== 0xd9 || bytes[end - 1] !== 0xff) return "damaged";
  for (let at = 2; at + 9 <= bytes.length;) {
    if (bytes[at] !== 0xff) return "damaged";
    const marker = bytes[at + 1]!;
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
    at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2);
  }
  return "damaged";
}

/** Size by the header of any of its three kinds; null for what is no WebP file. */
function webpSize(bytes: Uint8Array): Size | "damaged" | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = (from: number) => String.fromCharCode(...bytes.subarray(from, from + 4));
  if (text(0) !== "RIFF" || text(8) !== "WEBP") return null;
  if (bytes.length < 30 || view.getUint32(4, true) + 8 > bytes.length) return "damaged";
  const u24 = (at: number) => view.getUint16(at, true) + (bytes[at + 2]! << 16);
  switch (text(12)) {
    case "VP8 ":
      return {
        width: view.getUint16(26, true) & 0x3fff,
        height: view.getUint16(28, true) & 0x3fff,
      };
    case "VP8L": {
      const bits = view.getUint32(21, true);
      return { width: (bits & 0x3fff) + 1, height: (bits >>> 14 & 0x3fff) + 1 };
    }
    case "VP8X":
      return { width: u24(24) + 1, height: u24(27) + 1 };
  }
  return "damaged";
}
