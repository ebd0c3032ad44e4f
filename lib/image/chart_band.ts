/** The band under a chart: what was on in which step, a row for each thing. */
import { type Color, type Pen, type Sheet, SOFT_INK } from "./canvas.ts";
import { CHART_SIZE, type ChartFrame } from "./chart_frame.ts";

export interface ChartBand {
  /** What it shows, in one line. */
  title: string;
  /** A row for each, the first on top. */
  names: readonly string[];
  /** Indices into `names` of those that were on, one list a step, the first at step 1. */
  steps: readonly (readonly number[])[];
}

const ROW = 18;
const TITLE = 34;
const BELOW = 24;
const OFF: Color = "#f1f1f4";
const ON: Color = "#2563eb";

/** How much higher a chart is with its band. */
export function bandHeight({ names }: ChartBand): number {
  return TITLE + ROW * names.length + BELOW;
}

/** Draws the band below the chart, its steps under those of the chart. */
export function drawBand(
  pen: Pen,
  sheet: Sheet,
  frame: ChartFrame,
  { title, names, steps }: ChartBand,
): void {
  const width = frame.right - frame.left;
  const top = CHART_SIZE.height;
  sheet.text(pen.text(title, width, { size: 17, color: SOFT_INK }), frame.left, top);
  names.forEach((name, row) => {
    const y = top + TITLE + ROW * row;
    const style = { size: 13, color: SOFT_INK, align: "right" } as const;
    const label = pen.text(name, frame.left - 16, style);
    sheet.text(label, 0, y + (ROW - 2 - label.height) / 2);
    sheet.rect(frame.left, y, width, ROW - 2, OFF);
    for (const [from, to] of stretches(steps.map((on) => on.includes(row)))) {
      sheet.rect(frame.x(from), y, frame.x(to) - frame.x(from), ROW - 2, ON);
    }
  });
}

/** Where values are true: from, to and without the latter. */
function stretches(values: readonly boolean[]): [from: number, to: number][] {
  const found: [number, number][] = [];
  values.forEach((value, i) => {
    const last = found.at(-1);
    if (value && last?.[1] === i) last[1] = i + 1;
    else if (value) found.push([i, i + 1]);
  });
  return found;
}
