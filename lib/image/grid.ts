import { ShapeError } from "../errors.ts";
import { type Color, GROUND, withPen } from "./canvas.ts";
import {
  type GridCell,
  type GridLabels,
  type GridPlan,
  layOutGrid,
  type Size,
} from "./grid_layout.ts";
import { paste, type RgbImage } from "./image.ts";
import { MAX_PIXELS } from "./png.ts";
import { resizeBicubic } from "./resize_pil.ts";

const FRAME: Color = "#dcdce1";

// Smaller images are shown enlarged, so that one can see them and there is room for a label.
const MIN_CELL = 112;

// What browsers, viewers and decoders still show without trouble.
const MAX_WIDTH = 4096;

export type { GridCell, GridLabels } from "./grid_layout.ts";

/**
 * A sheet of images of one size with labels; rows may be shorter than the first. Small images are
 * enlarged by an integer factor, pixel for pixel; large ones are reduced so that the sheet is at
 * most 4096 pixels wide and `decodePng` reads it. Labels that are too long end in an ellipsis.
 */
export function imageGrid(
  rows: readonly (readonly GridCell[])[],
  labels: GridLabels = {},
): Promise<RgbImage> {
  const { width, height } = checkSizes(rows);
  return withPen((pen) => {
    const plan = fit(width, height, (cell) => layOutGrid(pen, rows, labels, cell));
    const sheet = pen.sheet(plan.width, plan.height, GROUND);
    for (const { block, x, y } of plan.texts) sheet.text(block, x, y);
    for (const { x, y } of plan.cells.flat()) {
      const { cell, frame } = plan;
      sheet.rect(x - frame, y - frame, cell.width + 2 * frame, cell.height + 2 * frame, FRAME);
    }
    const picture = sheet.image();
    rows.forEach((row, i) =>
      row.forEach(({ image }, j) => {
        const { x, y } = plan.cells[i]![j]!;
        paste(picture, scale(image, plan.cell), x, y);
      })
    );
    return picture;
  });
}

/** The items in rows of equal length, the last perhaps shorter: about square, wide over high. */
export function balancedRows<T>(items: readonly T[]): T[][] {
  const square = Math.ceil(Math.sqrt(items.length));
  const unused = (columns: number) => Math.ceil(items.length / columns) * columns - items.length;
  let columns = square;
  for (let wider = square + 1; wider <= 1.7 * square; wider++) {
    if (unused(wider) < unused(columns)) columns = wider;
  }
  const rows: T[][] = [];
  for (let i = 0; i < items.length; i += columns) rows.push(items.slice(i, i + columns));
  return rows;
}

function checkSizes(rows: readonly (readonly GridCell[])[]): Size {
  const images = rows.flat().map(({ image }) => image);
  const [first] = images;
  if (!first) throw new ShapeError("Cannot draw a grid of no images");
  const { width, height } = first;
  const other = images.find((image) => image.width !== width || image.height !== height);
  if (other) {
    throw new ShapeError(
      `Cannot draw a grid: an image is ${other.width}x${other.height}, the first is ` +
        `${width}x${height}; all must have one size`,
    );
  }
  return { width, height };
}

/** The plan with the largest cells that fits: an integer multiple of the image, else less. */
function fit(width: number, height: number, plan: (cell: Size) => GridPlan): GridPlan {
  const fits = (size: Size) => size.width <= MAX_WIDTH && size.width * size.height <= MAX_PIXELS;
  for (let factor = Math.ceil(MIN_CELL / Math.max(width, height)); factor >= 1; factor--) {
    const enlarged = plan({ width: factor * width, height: factor * height });
    if (fits(enlarged)) return enlarged;
  }
  let reduced = plan({ width, height });
  while (!fits(reduced)) {
    const ratio = Math.min(
      MAX_WIDTH / reduced.width,
      Math.sqrt(MAX_PIXELS / (reduced.width * reduced.height)),
    );
    const cellWidth = Math.floor(reduced.cell.width * ratio);
    reduced = plan({ width: cellWidth, height: Math.round(cellWidth * height / width) });
  }
  return reduced;
}

function scale(image: RgbImage, { width, height }: Size): RgbImage {
  if (width < image.width) return resizeBicubic(image, width, height);
  const factor = width / image.width;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, i = 0; y < height; y++) {
    const row = Math.floor(y / factor) * image.width;
    for (let x = 0; x < width; x++, i += 3) {
      const from = (row + Math.floor(x / factor)) * 3;
      data[i] = image.data[from]!;
      data[i + 1] = image.data[from + 1]!;
      data[i + 2] = image.data[from + 2]!;
    }
  }
  return { width, height, channels: 3, data };
}
