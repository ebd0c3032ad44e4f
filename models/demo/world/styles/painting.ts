/** Oil on canvas: thick strokes, each of one colour, with a ridge of paint along it. */
import { luminance } from "../colours.ts";
import type { Layers } from "../layers.ts";
import { perPixel, type Picture } from "../picture.ts";
import { blurred, hash } from "../raster.ts";
import { photo } from "./photo.ts";

/** Distance between strokes and how much longer than wide they are, in pixels of a 64x64 picture. */
const SPACING = 3.3;
const LENGTH = 2.4;
const SATURATION = 1.35;

export function painting(layers: Layers): Picture {
  const { size, line, foreground } = layers;
  const detail = blurred(line, size, 1.2 * size / 64);
  const source = photo(layers).data;
  const plane = size * size;
  const unit = 64 / size;
  return perPixel(size, (rgb, i, x, y) => {
    const { from, ridge } = strokeAt((x + 0.5) * unit, (y + 0.5) * unit);
    const column = Math.min(size - 1, Math.max(0, Math.floor(from[0] / unit)));
    const row = Math.min(size - 1, Math.max(0, Math.floor(from[1] / unit)));
    const j = row * size + column;
    // Small things are painted last, with a fine brush: there the pixel itself counts.
    const fine = Math.min(0.9, 2 * detail[i]! * foreground[i]!);
    for (let c = 0; c < 3; c++) {
      const stroke = source[c * plane + j]!;
      rgb[c] = stroke + (source[c * plane + i]! - stroke) * fine;
    }
    const grey = luminance(...rgb);
    const gain = 0.92 + 0.3 * ridge;
    const warm = [0.03, 0.005, -0.04];
    for (let c = 0; c < 3; c++) rgb[c] = (grey + (rgb[c]! - grey) * SATURATION) * gain + warm[c]!;
  });
}

/** The stroke on top at a pixel: where it takes its colour from, and its paint's height there. */
function strokeAt(x: number, y: number): { from: [number, number]; ridge: number } {
  const column = Math.floor(x / SPACING);
  const row = Math.floor(y / SPACING);
  let nearest = Infinity;
  let from: [number, number] = [x, y];
  let ridge = 0;
  for (let dr = -2; dr <= 2; dr++) {
    for (let dc = -2; dc <= 2; dc++) {
      const r = row + dr;
      const c = column + dc;
      const cx = (c + hash(c, r, 11)) * SPACING;
      const cy = (r + hash(c, r, 12)) * SPACING;
      const angle = -0.7 + 1.1 * (hash(c, r, 13) - 0.5);
      const along = ((x - cx) * Math.cos(angle) + (y - cy) * Math.sin(angle)) / LENGTH;
      const across = (y - cy) * Math.cos(angle) - (x - cx) * Math.sin(angle);
      const distance = along * along + across * across;
      if (distance < nearest) {
        nearest = distance;
        from = [cx, cy];
        ridge = 0.5 - across / SPACING + 0.35 * (hash(c, r, 14) - 0.5);
      }
    }
  }
  return { from, ridge };
}
