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
  const { from, ridge } = strokes(size);
  const warm = [0.03, 0.005, -0.04];
  return perPixel(size, (rgb, i) => {
    // Small things are painted last, with a fine brush: there the pixel itself counts.
    const fine = Math.min(0.9, 2 * detail[i]! * foreground[i]!);
    for (let c = 0; c < 3; c++) {
      const stroke = source[c * plane + from[i]!]!;
      rgb[c] = stroke + (source[c * plane + i]! - stroke) * fine;
    }
    const grey = luminance(...rgb);
    const gain = 0.92 + 0.3 * ridge[i]!;
    for (let c = 0; c < 3; c++) rgb[c] = (grey + (rgb[c]! - grey) * SATURATION) * gain + warm[c]!;
  });
}

/** The strokes on top at each pixel: the pixel that gives their colour, and their paint's height. */
interface Strokes {
  readonly from: Int32Array;
  readonly ridge: Float32Array;
}

/** By the side of the picture: every canvas is covered by the same strokes. */
const known = new Map<number, Strokes>();

function strokes(size: number): Strokes {
  const made = known.get(size) ?? makeStrokes(size);
  known.set(size, made);
  return made;
}

function makeStrokes(size: number): Strokes {
  const from = new Int32Array(size * size);
  const ridge = new Float32Array(size * size);
  const unit = 64 / size;
  const index = (position: number) => Math.min(size - 1, Math.max(0, Math.floor(position / unit)));
  for (let y = 0, i = 0; y < size; y++) {
    for (let x = 0; x < size; x++, i++) {
      const stroke = strokeAt((x + 0.5) * unit, (y + 0.5) * unit);
      from[i] = index(stroke.from[1]) * size + index(stroke.from[0]);
      ridge[i] = stroke.ridge;
    }
  }
  return { from, ridge };
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
