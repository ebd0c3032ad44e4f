import { deepEqual, equal, ok } from "node:assert/strict";

import { lossChart, smooth } from "../../../lib/image/chart.ts";
import { CHART_SIZE, chartFrame } from "../../../lib/image/chart_frame.ts";
import type { RgbImage } from "../../../lib/image/image.ts";
import { assertClose } from "../../assert.ts";

/** Loading fonts and WebAssembly and drawing must need no permission at all. */
const permissions = "none";

function pixel({ width, data }: RgbImage, x: number, y: number): number[] {
  const at = (Math.round(y) * width + Math.round(x)) * 3;
  return [...data.subarray(at, at + 3)];
}

/** Blue, as the first series is, fully or in its light shade: more blue than red by far. */
function isBlue([r, , b]: number[]): boolean {
  return b! - r! > 40;
}

/** Is any pixel of the plot in this column blue? */
function blueInColumn(chart: RgbImage, x: number): boolean {
  const { top, bottom } = chartFrame([]);
  for (let y = top - 5; y <= bottom + 5; y++) if (isBlue(pixel(chart, x, y))) return true;
  return false;
}

Deno.test("lossChart() draws the line where the axes say", { permissions }, async () => {
  const values = Array.from({ length: 101 }, (_, i) => 2 - 0.015 * i);
  const chart = await lossChart({ title: "photo → sketch", series: [{ label: "loss", values }] });
  deepEqual([chart.width, chart.height], [CHART_SIZE.width, CHART_SIZE.height]);
  const { x, y } = chartFrame([values]);
  // Apart from the ends, smoothing leaves a straight line as it is.
  for (const step of [10, 33, 50, 77, 90]) {
    const value = values[step - 1]!;
    deepEqual(pixel(chart, x(step), y(value)), [0x25, 0x63, 0xeb]);
    ok(!isBlue(pixel(chart, x(step), y(value) - 8)), `above step ${step}`);
    ok(!isBlue(pixel(chart, x(step), y(value) + 8)), `below step ${step}`);
  }
});

Deno.test("lossChart() shows each value in a light shade beside the smoothed line", {
  permissions,
}, async () => {
  const values = Array.from({ length: 240 }, (_, i) => i === 120 ? 3 : 1);
  const chart = await lossChart({ title: "t", series: [{ label: "loss", values }] });
  const { x, y } = chartFrame([values]);
  const [r, g, b] = pixel(chart, x(121), y(2.5));
  ok(isBlue([r!, g!, b!]) && r! > 120, "the outlier is there, and light");
  deepEqual(pixel(chart, x(60), y(1)), [0x25, 0x63, 0xeb]);
});

Deno.test("lossChart() breaks lines at values that are not finite", { permissions }, async () => {
  const values = Array.from({ length: 60 }, (_, i) => 1 + Math.sin(i / 9));
  values.fill(NaN, 20, 30);
  values[40] = Infinity;
  const chart = await lossChart({ title: "t", series: [{ label: "loss", values }] });
  const { x } = chartFrame([values]);
  for (const step of [15, 35, 50]) ok(blueInColumn(chart, x(step)), `step ${step}`);
  for (const step of [23, 26, 41]) ok(!blueInColumn(chart, x(step)), `step ${step}`);
});

Deno.test("lossChart() marks a value between gaps, or the only one, with a dot", {
  permissions,
}, async () => {
  for (const values of [[0.7], [NaN, 0.7, NaN]]) {
    const chart = await lossChart({ title: "t", series: [{ label: "loss", values }] });
    const { x, y } = chartFrame([values]);
    const step = values.indexOf(0.7) + 1;
    deepEqual(pixel(chart, x(step), y(0.7)), [0x25, 0x63, 0xeb]);
    ok(!blueInColumn(chart, x(step) + 12));
  }
});

Deno.test("lossChart() draws constant, empty and many series", { permissions }, async () => {
  for (const constant of [0, 1, -3e-7, 4e12]) {
    const values = Array(9).fill(constant);
    const chart = await lossChart({ title: "t", series: [{ label: "loss", values }] });
    const { x, y, top, bottom } = chartFrame([values]);
    ok(y(constant) > top + 20 && y(constant) < bottom - 20);
    deepEqual(pixel(chart, x(5), y(constant)), [0x25, 0x63, 0xeb]);
  }
  const empty = await lossChart({ title: "t", series: [{ label: "loss", values: [] }] });
  ok(!blueInColumn(empty, 640));
  const none = await lossChart({ title: "t", series: [] });
  equal(none.data.length, CHART_SIZE.width * CHART_SIZE.height * 3);

  const series = Array.from({ length: 7 }, (_, k) => ({ label: "x".repeat(90), values: [k, k] }));
  const chart = await lossChart({ title: "long ".repeat(99), series });
  const { x, y } = chartFrame(series.map(({ values }) => values));
  const colors = series.map(({ values }) => String(pixel(chart, x(1.5), y(values[0]!))));
  equal(new Set(colors.slice(0, 6)).size, 6);
  equal(colors[6], colors[0]);
});

Deno.test("smooth() keeps constants and straight lines, and takes noise away", () => {
  assertClose(smooth(Array(200).fill(0.3)), Array(200).fill(0.3), 1e-12);
  const line = Array.from({ length: 300 }, (_, i) => 3 - i / 100);
  assertClose(smooth(line).slice(20, -20), line.slice(20, -20), 1e-12);
  const noise = line.map((value, i) => value + (i % 2 === 0 ? 0.5 : -0.5));
  // Of the noise, what the ends of the Gaussian cut off at 3 sigma let through.
  assertClose(smooth(noise).slice(20, -20), line.slice(20, -20), 1e-3);
  deepEqual(smooth([]), []);
  deepEqual(smooth([0.7]), [0.7]);
});

Deno.test("smooth() gives values that are not finite no weight", () => {
  const values = Array(200).fill(2);
  values[50] = NaN;
  values[51] = Infinity;
  const smoothed = smooth(values);
  assertClose(smoothed.filter(Number.isFinite), Array(198).fill(2), 1e-12);
  ok(Number.isNaN(smoothed[50]) && smoothed[51] === Infinity);
});

Deno.test("chartFrame() has few round ticks that enclose the values and read differently", () => {
  for (let i = 0; i < 200; i++) {
    const low = (((i * 73) % 41) - 20) * 10 ** (i % 19 - 9);
    const high = low + (1 + (i * 31) % 17) * 10 ** (i % 13 - 6);
    const { valueTicks, stepTicks, format, x, y, left, right, top, bottom } = chartFrame([
      [NaN, low, high],
      Array(i * i).fill(low),
    ]);
    const about = `${low} to ${high}`;
    ok(valueTicks.length >= 3 && valueTicks.length <= 8, `${about}: ${valueTicks}`);
    ok(valueTicks[0]! <= low && high <= valueTicks.at(-1)!, `${about}: ${valueTicks}`);
    equal(new Set(valueTicks.map(format)).size, valueTicks.length, valueTicks.map(format).join());
    ok(stepTicks.length >= 3 && stepTicks.length <= 10 && stepTicks.every(Number.isInteger));
    ok(stepTicks.every((step) => x(step) >= left && x(step) <= right));
    for (const value of [low, high]) ok(y(value) >= top - 1e-6 && y(value) <= bottom + 1e-6);
  }
});

Deno.test("chartFrame() writes ticks with the decimals they need", () => {
  const labels = (...values: number[]) => {
    const { valueTicks, format } = chartFrame([values]);
    return valueTicks.map(format);
  };
  deepEqual(labels(0.3, 1.1), ["0.2", "0.4", "0.6", "0.8", "1.0", "1.2"]);
  deepEqual(labels(-0.04, 0.05), ["−0.04", "−0.02", "0.00", "0.02", "0.04", "0.06"]);
  deepEqual(labels(0, 5e6), ["0", "1e+6", "2e+6", "3e+6", "4e+6", "5e+6"]);
  deepEqual(labels(10, 50), ["10", "20", "30", "40", "50"]);
  deepEqual(chartFrame([Array(300).fill(1)]).stepTicks, [0, 50, 100, 150, 200, 250, 300]);
});

Deno.test("lossChart() shows below the plot what was on when", { permissions }, async () => {
  const band = { title: "layers", names: ["a", "b", "c"], steps: [[0], [0, 2], [2], [2]] };
  const series = [{ label: "loss", values: [4, 3, 2, 1] }];
  const chart = await lossChart({ title: "t", series, band });
  const frame = chartFrame(series.map(({ values }) => values));
  ok(chart.height > CHART_SIZE.height);
  // The rows' colours from top to bottom, in the middle of each step.
  const on = [1, 2, 3, 4].map((step) => {
    const column = Array.from(
      { length: chart.height - CHART_SIZE.height },
      (_, i) => isBlue(pixel(chart, frame.x(step - 0.5), CHART_SIZE.height + i)),
    );
    return column.flatMap((blue, i) => blue && !column[i - 1] ? [i] : []);
  });
  const [[a], [, c]] = [on[0]!, on[1]!];
  deepEqual(on, [[a], [a, c], [c], [c]]);
  ok(c! - a! > 20, "a row lies between them");
});
