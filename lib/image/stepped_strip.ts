import { ShapeError } from "../errors.ts";
import { paste, type RgbImage } from "./image.ts";
import { resizeBicubic } from "./resize_pil.ts";

/** Images in a strip. */
export const STRIP_IMAGES = 16;

/** Images at one size: so many columns of them, and rows that fill the height of the strip. */
const SIZES = [{ columns: 2, rows: 1 }, { columns: 3, rows: 2 }, { columns: 2, rows: 4 }];

/**
 * Sixteen images of one size, four times as wide as one of them: two as they are, then three columns
 * of six at half the size, then two columns of eight at a quarter, column by column.
 */
export function steppedStrip(images: readonly RgbImage[]): RgbImage {
  const [first] = images;
  if (!first || images.length !== STRIP_IMAGES) {
    throw new ShapeError(`Cannot draw a strip of ${images.length} images: it has ${STRIP_IMAGES}`);
  }
  const { width, height } = first;
  const strip: RgbImage = {
    width: 4 * width,
    height,
    channels: 3,
    data: new Uint8Array(4 * width * height * 3),
  };
  let next = 0;
  let left = 0;
  for (const { columns, rows } of SIZES) {
    for (let column = 0; column < columns; column++) {
      const right = left + width / rows;
      for (let row = 0; row < rows; row++) {
        // Edges are rounded, so that sizes that cannot be divided leave no gap.
        const [x, x1] = [Math.round(left), Math.round(right)];
        const [y, y1] = [Math.round(row * height / rows), Math.round((row + 1) * height / rows)];
        paste(strip, resizeBicubic(images[next++]!, x1 - x, y1 - y), x, y);
      }
      left = right;
    }
  }
  return strip;
}
