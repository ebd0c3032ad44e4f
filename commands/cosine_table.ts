/** Similarities of images and texts, as numbers and as a table. */
import { fieldLines, printable, shorten } from "./layout.ts";

/** Cosine of every image with every text. */
export function cosines(
  images: readonly Float32Array[],
  texts: readonly Float32Array[],
): number[][] {
  return images.map((image) =>
    texts.map((text) => dot(image, text) / Math.sqrt(dot(image, image) * dot(text, text)))
  );
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

/** "-0.1234" */
const NUMBER_WIDTH = 7;
const MAX_NAME = 24;
const MAX_ROWS = 40;

/**
 * A row for each image, a column for each text. Where texts are too long to head their columns,
 * numbers do, explained below; columns that are too many continue in another block.
 */
export function cosineTable(
  names: readonly string[],
  texts: readonly string[],
  values: readonly (readonly number[])[],
  width: number,
): string[] {
  const shown = names.slice(0, MAX_ROWS).map((name) => shorten(printable(name), MAX_NAME));
  const nameWidth = Math.max(...shown.map((name) => name.length));
  const labels = texts.map(printable);
  const column = (label: string) => Math.max(NUMBER_WIDTH, label.length) + 2;
  const whole = nameWidth + labels.reduce((sum, label) => sum + column(label), 0);

  const heads = whole <= width ? labels : labels.map((_, j) => String(j + 1));
  const perBlock = whole <= width
    ? labels.length
    : Math.max(1, Math.floor((width - nameWidth) / column("")));
  const lines: string[] = [];
  for (let first = 0; first < labels.length; first += perBlock) {
    const columns = heads.slice(first, first + perBlock);
    const row = (name: string, cells: readonly string[]) =>
      name.padEnd(nameWidth) + cells.map((cell, j) => cell.padStart(column(columns[j]!))).join("");
    if (first > 0) lines.push("");
    lines.push(row("", columns));
    shown.forEach((name, i) =>
      lines.push(row(name, columns.map((_, j) => values[i]![first + j]!.toFixed(4))))
    );
  }
  if (names.length > shown.length) lines.push(`and ${names.length - shown.length} more images`);
  if (whole > width) {
    const legend = labels.map((label, j) => [String(j + 1), label] as const);
    lines.push("", ...fieldLines(legend, width));
  }
  return lines;
}
