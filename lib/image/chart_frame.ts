/** The plot of a chart: its edges in pixels, where steps and values lie, and its ticks. */
export interface ChartFrame {
  left: number;
  top: number;
  right: number;
  bottom: number;
  /** Column of a step; the first value of a series is step 1. */
  x(step: number): number;
  /** Row of a value. */
  y(value: number): number;
  /** Round steps from 0 on. */
  stepTicks: number[];
  /** Round values; the first and the last are the plot's edges and enclose the data. */
  valueTicks: number[];
  /** A value as text, with the decimals that tell the ticks apart. */
  format(value: number): string;
}

/** Width and height of a chart in pixels. */
export const CHART_SIZE = { width: 1280, height: 720 };

/** The frame that holds every finite value of these series. */
export function chartFrame(series: readonly (readonly number[])[]): ChartFrame {
  const [left, top, right, bottom] = [100, 124, CHART_SIZE.width - 44, CHART_SIZE.height - 88];

  const lastStep = Math.max(2, ...series.map((values) => values.length));
  const stepSize = Math.max(1, roundStep(lastStep / 8));
  const stepTicks = ticks(0, Math.floor(lastStep / stepSize), stepSize);

  const [low, high] = range(series);
  const size = roundStep((high - low) / 5);
  const valueTicks = ticks(Math.floor(low / size), Math.ceil(high / size), size);
  const [floor, ceiling] = [valueTicks[0]!, valueTicks.at(-1)!];

  return {
    left,
    top,
    right,
    bottom,
    x: (step) => left + (right - left) * step / lastStep,
    y: (value) => bottom - (bottom - top) * (value - floor) / (ceiling - floor),
    stepTicks,
    valueTicks,
    format: (value) => formatValue(value, size, Math.max(-floor, ceiling)),
  };
}

/** Least and greatest finite value, moved apart where they would not make an axis. */
function range(series: readonly (readonly number[])[]): [low: number, high: number] {
  let [low, high] = [Infinity, -Infinity];
  for (const values of series) {
    for (const value of values) {
      if (!Number.isFinite(value)) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  if (low > high) return [0, 1]; // nothing to show
  const magnitude = Math.max(Math.abs(low), Math.abs(high));
  if (high - low > 1e-6 * magnitude) return [low, high];
  const half = magnitude > 0 ? magnitude / 10 : 0.5;
  return [low - half, high + half];
}

/** The least of 1, 2, 5, 10, 20 … (and 0.5, 0.2 …) that is not below `size`, within rounding. */
function roundStep(size: number): number {
  const power = 10 ** Math.floor(Math.log10(size));
  const lead = size / power;
  return power * ([1, 2, 5].find((step) => lead <= step * (1 + 1e-9)) ?? 10);
}

function ticks(first: number, last: number, size: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * size);
}

function formatValue(value: number, tickSize: number, greatest: number): string {
  const digits = Math.floor(Math.log10(tickSize) + 1e-9);
  const minus = value < -tickSize / 2 ? "−" : "";
  const size = Math.abs(value) < tickSize / 2 ? 0 : Math.abs(value);
  if (size > 0 && (greatest >= 1e6 || digits < -5)) {
    return minus + size.toExponential(Math.max(0, Math.floor(Math.log10(size)) - digits));
  }
  return minus + size.toFixed(Math.max(0, -digits));
}
