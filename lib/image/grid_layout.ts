import { type Color, INK, type Pen, SOFT_INK, type TextBlock, type TextStyle } from "./canvas.ts";
import type { RgbImage } from "./image.ts";

export interface GridCell {
  image: RgbImage;
  /** A short line below the image, such as its seed. */
  caption?: string;
}

export interface GridLabels {
  title?: string;
  /** A line in small type below the title. */
  subtitle?: string;
  /** Above each column. */
  columns?: readonly string[];
  /** Left of each row. */
  rows?: readonly string[];
}

export interface Size {
  width: number;
  height: number;
}

export interface Point {
  x: number;
  y: number;
}

/** Where everything goes on a sheet of this width and height. */
export interface GridPlan extends Size {
  cell: Size;
  /** Width of the line around each image. */
  frame: number;
  cells: Point[][];
  texts: (Point & { block: TextBlock })[];
}

/** Where everything goes when each image is shown at the size of `cell`. */
export function layOutGrid(
  pen: Pen,
  rows: readonly (readonly GridCell[])[],
  labels: GridLabels,
  cell: Size,
): GridPlan {
  // Type and spaces grow with the cells, but more slowly: a larger sheet is seen as a whole.
  const unit = Math.max(1, (cell.width / 128) ** 0.6);
  const px = (units: number) => Math.round(units * unit);
  const style = (size: number, color: Color, rest: Partial<TextStyle> = {}): TextStyle => ({
    size: px(size),
    color,
    ...rest,
  });
  const margin = px(28);
  const gap = px(8);
  const texts: GridPlan["texts"] = [];
  const columns = Math.max(...rows.map((row) => row.length));

  const rowLabelLines = Math.max(1, Math.floor(cell.height / px(18)));
  const rowLabels = (labels.rows ?? []).map((label) =>
    pen.text(label, px(150), style(14, INK, { bold: true, maxLines: rowLabelLines }))
  );
  const rowLabelWidth = Math.max(0, ...rowLabels.map((block) => block.width));
  const left = margin + (rowLabelWidth > 0 ? rowLabelWidth + px(16) : 0);
  const gridRight = left + columns * (cell.width + gap) - gap;
  const right = Math.max(gridRight, margin + px(260)); // a title needs some width

  let y = margin;
  const heading = (text: string | undefined, textStyle: TextStyle) => {
    if (text === undefined) return;
    const block = pen.text(text, right - margin, textStyle);
    texts.push({ block, x: margin, y });
    y += block.height + px(4);
  };
  heading(labels.title, style(21, INK, { bold: true, maxLines: 2 }));
  heading(labels.subtitle, style(13.5, SOFT_INK, { maxLines: 2 }));
  if (y > margin) y += px(16);

  const cellLabel = (text: string, maxLines: number) =>
    pen.text(text, cell.width, style(13, SOFT_INK, { align: "center", maxLines }));
  const x = (column: number) => left + column * (cell.width + gap);

  const columnLabels = (labels.columns ?? []).map((label) => cellLabel(label, 2));
  if (columnLabels.length > 0) {
    const height = Math.max(...columnLabels.map((block) => block.height));
    columnLabels.forEach((block, j) =>
      texts.push({ block, x: x(j), y: y + height - block.height })
    );
    y += height + px(7);
  }

  const hasCaptions = rows.some((row) => row.some(({ caption }) => caption !== undefined));
  const cells = rows.map((row, i) => {
    if (i > 0) y += hasCaptions ? px(13) : gap;
    const top = y;
    const label = rowLabels[i];
    if (label) {
      texts.push({
        block: label,
        x: margin,
        y: top + Math.round((cell.height - label.height) / 2),
      });
    }
    y += cell.height;
    const captions = row.map(({ caption }) => caption === undefined ? null : cellLabel(caption, 1));
    captions.forEach((block, j) =>
      block && texts.push({ block, x: x(j), y: top + cell.height + px(5) })
    );
    const captionHeight = Math.max(0, ...captions.map((block) => block?.height ?? 0));
    if (captionHeight > 0) y += px(5) + captionHeight;
    return row.map((_, j) => ({ x: x(j), y: top }));
  });
  return { width: right + margin, height: y + margin, cell, frame: px(1), cells, texts };
}
