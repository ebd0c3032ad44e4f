import { type Color, GROUND, INK, type Pen, type Sheet, SOFT_INK, withPen } from "./canvas.ts";
import { bandHeight, type ChartBand, drawBand } from "./chart_band.ts";
import { CHART_SIZE, type ChartFrame, chartFrame } from "./chart_frame.ts";
import type { RgbImage } from "./image.ts";

/** One value a step, the first at step 1; a value that is not finite breaks the line. */
export interface LossSeries {
  label: string;
  values: readonly number[];
}

const AXIS: Color = "#a1a1aa";
const GRID_LINE: Color = "#e8e8ec";
const TYPE = 17;

// Told apart by hue and by lightness; after the last one they begin again.
const COLORS: readonly Color[] = [
  "#2563eb",
  "#ea580c",
  "#0f9d76",
  "#9333ea",
  "#be123c",
  "#57534e",
];

/**
 * The losses of a run over its steps, 1280x720 pixels: each series as it is in a light colour and,
 * over it, smoothed. Series may be empty, have one value, be constant or hold NaN. A band makes the
 * picture higher.
 */
export function lossChart(
  { title, series, band }: { title: string; series: readonly LossSeries[]; band?: ChartBand },
): Promise<RgbImage> {
  const frame = chartFrame(series.map(({ values }) => values));
  return withPen((pen) => {
    const height = CHART_SIZE.height + (band ? bandHeight(band) : 0);
    const sheet = pen.sheet(CHART_SIZE.width, height, GROUND);
    const width = frame.right - frame.left;
    sheet.text(pen.text(title, width, { size: 26, color: INK, bold: true }), frame.left, 30);
    drawLegend(pen, sheet, frame, series);
    drawAxes(pen, sheet, frame);
    series.forEach(({ values }, i) => drawLine(sheet, frame, values, 1.5, `${colorOf(i)}50`));
    series.forEach(({ values }, i) => drawLine(sheet, frame, smooth(values), 3, colorOf(i)));
    if (band) drawBand(pen, sheet, frame, band);
    return sheet.image();
  });
}

/**
 * Mean with Gaussian weights over the steps around each one, which delays nothing. Values that are
 * not finite have no weight, and stay as they are.
 */
export function smooth(values: readonly number[]): number[] {
  const sigma = Math.min(values.length / 60, 50); // a bound on the work, and on the blur
  const reach = Math.ceil(3 * sigma);
  const weights = Array.from({ length: reach + 1 }, (_, d) => Math.exp(-0.5 * (d / sigma) ** 2));
  return values.map((value, i) => {
    if (!Number.isFinite(value)) return value;
    let [sum, total] = [0, 0];
    for (let j = Math.max(0, i - reach); j <= Math.min(values.length - 1, i + reach); j++) {
      if (!Number.isFinite(values[j])) continue;
      const weight = weights[Math.abs(j - i)]!;
      sum += weight * values[j]!;
      total += weight;
    }
    return sum / total;
  });
}

function colorOf(index: number): Color {
  return COLORS[index % COLORS.length]!;
}

/** Labels in a row above the plot, each behind a piece of its line. */
function drawLegend(pen: Pen, sheet: Sheet, frame: ChartFrame, series: readonly LossSeries[]) {
  const [swatch, space, between] = [26, 10, 30];
  const share = (frame.right - frame.left) / series.length;
  let x = frame.left;
  series.forEach(({ label }, i) => {
    const style = { size: TYPE, color: SOFT_INK };
    const text = pen.text(label, share - swatch - space - between, style);
    const y = frame.top - 44;
    const middle = y + text.height / 2;
    sheet.line([[x + 2, middle], [x + swatch - 2, middle]], 4, colorOf(i));
    sheet.text(text, x + swatch + space, y);
    x += swatch + space + text.width + between;
  });
}

function drawAxes(pen: Pen, sheet: Sheet, frame: ChartFrame) {
  const { left, right, bottom } = frame;
  for (const value of frame.valueTicks) {
    const y = Math.round(frame.y(value));
    sheet.rect(left, y, right - left, 1, GRID_LINE);
    const width = left - 16;
    const style = { size: TYPE, color: SOFT_INK, align: "right" } as const;
    const text = pen.text(frame.format(value), width, style);
    sheet.text(text, 0, y - text.height / 2);
  }
  sheet.rect(left, bottom, right - left, 1, AXIS);

  const style = { size: TYPE, color: SOFT_INK, align: "center" } as const;
  for (const step of frame.stepTicks) {
    const x = Math.round(frame.x(step));
    sheet.rect(x, bottom, 1, 7, AXIS);
    sheet.text(pen.text(String(step), 120, style), x - 60, bottom + 12);
  }
  sheet.text(pen.text("step", right - left, style), left, bottom + 42);
}

function drawLine(
  sheet: Sheet,
  frame: ChartFrame,
  values: readonly number[],
  width: number,
  color: Color,
) {
  let piece: [x: number, y: number][] = [];
  const finish = () => {
    if (piece.length === 1) sheet.dot(...piece[0]!, 1.5 * width, color);
    else if (piece.length > 1) sheet.line(piece, width, color);
    piece = [];
  };
  values.forEach((value, i) => {
    if (Number.isFinite(value)) piece.push([frame.x(i + 1), frame.y(value)]);
    else finish();
  });
  finish();
}
