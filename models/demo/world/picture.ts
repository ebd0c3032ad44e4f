/** A picture on its way to a screen: how every style ends. */
import type { RgbImage } from "../../../lib/image/mod.ts";
import type { Layers } from "./layers.ts";

/** `[3, size, size]` from 0 to 1: red plane, green plane, blue plane. */
export interface Picture {
  readonly size: number;
  readonly data: Float32Array<ArrayBuffer>;
}

/** A way to show a scene. */
export type Style = (layers: Layers) => Picture;

/** A picture whose colour at each pixel is what `colour` writes into `rgb`. */
export function perPixel(
  size: number,
  colour: (rgb: [number, number, number], i: number, x: number, y: number) => void,
): Picture {
  const plane = size * size;
  const data = new Float32Array(3 * plane);
  const rgb: [number, number, number] = [0, 0, 0];
  for (let y = 0, i = 0; y < size; y++) {
    for (let x = 0; x < size; x++, i++) {
      colour(rgb, i, x, y);
      for (let c = 0; c < 3; c++) data[c * plane + i] = Math.min(1, Math.max(0, rgb[c]!));
    }
  }
  return { size, data };
}

/** To 8 bits a colour. */
export function toImage({ size, data }: Picture): RgbImage {
  const plane = size * size;
  const pixels = new Uint8Array(3 * plane);
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) pixels[3 * i + c] = Math.round(255 * data[c * plane + i]!);
  }
  return { width: size, height: size, channels: 3, data: pixels };
}
