/** Pictures to bytes of the usual formats. */
import { loadCanvasKit } from "./canvaskit.ts";
import { type RgbImage, toRgba } from "./image.ts";
import { encodePng } from "./png.ts";

export const IMAGE_FORMATS = ["png", "jpeg", "webp"] as const;
export type ImageFormat = typeof IMAGE_FORMATS[number];

/** Of JPEG and WebP, from 0 to 100: hardly to be told from the original. */
const QUALITY = 92;

/** The picture as a file; only PNG keeps `text`. */
export async function encodeImage(
  image: RgbImage,
  format: ImageFormat,
  text: Readonly<Record<string, string>> = {},
): Promise<Uint8Array<ArrayBuffer>> {
  if (format === "png") return encodePng(image, text);
  const { kit } = await loadCanvasKit();
  const { width, height } = image;
  const info = {
    width,
    height,
    colorType: kit.ColorType.RGBA_8888,
    alphaType: kit.AlphaType.Opaque,
    colorSpace: kit.ColorSpace.SRGB,
  };
  const picture = kit.MakeImage(info, toRgba(image), 4 * width);
  if (picture === null) throw new Error(`Cannot encode: no memory for ${width}x${height} pixels`);
  try {
    const kind = { jpeg: kit.ImageFormat.JPEG, webp: kit.ImageFormat.WEBP }[format];
    const bytes = picture.encodeToBytes(kind, QUALITY);
    if (bytes === null) throw new Error(`Cannot encode ${width}x${height} pixels as ${format}`);
    return Uint8Array.from(bytes);
  } finally {
    picture.delete();
  }
}
