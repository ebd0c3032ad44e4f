/** Animated GIFs, frame by frame: to be joined they need nothing but the trailer behind them. */
// @ts-types="./gifenc.d.ts"
import gifenc from "gifenc";
import { type RgbImage, toRgba } from "./image.ts";

/** Most colours that a frame can have. */
const COLOURS = 256;

/** The part of an endless GIF that shows this frame, each with a palette of its own. */
export function encodeGifFrame(
  image: RgbImage,
  { frameMs, isFirst }: { readonly frameMs: number; readonly isFirst: boolean },
): Uint8Array<ArrayBuffer> {
  const { width, height } = image;
  const rgba = toRgba(image);
  const palette = gifenc.quantize(rgba, COLOURS);
  const gif = gifenc.GIFEncoder({ auto: false });
  if (isFirst) gif.writeHeader();
  const pixels = gifenc.applyPalette(rgba, palette);
  gif.writeFrame(pixels, width, height, { palette, delay: frameMs, first: isFirst });
  return Uint8Array.from(gif.bytesView());
}
