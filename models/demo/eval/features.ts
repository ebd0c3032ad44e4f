/**
 * What a picture looks like apart from what it shows, as numbers that do not change when it becomes
 * brighter, darker, flatter or harder: everything is measured on the luminance after its mean and
 * standard deviation are taken away, but for three ratios of colour to luminance.
 */
import { ShapeError } from "../../../lib/errors.ts";
import type { Picture } from "../world/mod.ts";
import { luminance } from "../world/colours.ts";

/** A square plane of values. */
interface Plane {
  readonly size: number;
  readonly data: Float64Array;
}

/** Sides of the picture at which it is looked at: textures, lines, shapes. */
const LEVELS = 3;

/** Responses weaker than this, in standard deviations of the luminance, count as none. */
const FLOOR = 0.02;

/** To the right, down, and along both diagonals. */
const DIRECTIONS = [[1, 0], [0, 1], [1, 1], [1, -1]] as const;

/** Where strokes, hatching and squares repeat. */
const REPEATS = [[1, 0], [0, 1], [1, 1], [1, -1], [2, 0], [0, 2], [2, 2], [4, 0], [0, 4]] as const;

const QUANTILES = [0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98];

/** Parts along a side in which detail is counted, to tell the middle from the ground around it. */
const PARTS = 3;

/** The features of a picture `[3, 64, 64]`. Throws a ShapeError for other sizes. */
export function features({ size, data }: Picture): Float64Array {
  if (size !== 64) {
    throw new ShapeError(`Cannot measure the style of a ${size}x${size} picture: 64x64 is needed`);
  }
  const plane = size * size;
  const grey = new Float64Array(plane);
  for (let i = 0; i < plane; i++) {
    grey[i] = luminance(data[i]!, data[plane + i]!, data[2 * plane + i]!);
  }
  const light = standardised({ size, data: grey });
  const found: number[] = [...distribution(light), ...colourfulness(data, { size, data: grey })];
  let level = light;
  for (let k = 0; k < LEVELS; k++) {
    if (k > 0) level = halved(level);
    const edges = laplacian(level);
    for (const [dx, dy] of DIRECTIONS) found.push(...strength(difference(level, dx, dy)));
    found.push(...strength(edges.data), skewness(edges.data));
    if (k < 2) found.push(...detailByPart(edges));
    if (k === 0) found.push(...repetition(edges), ...steps(level));
  }
  return Float64Array.from(found);
}

function standardised({ size, data }: Plane): Plane {
  const mean = average(data);
  const deviation = Math.sqrt(average(data.map((value) => (value - mean) ** 2)));
  return { size, data: data.map((value) => (value - mean) / (deviation + 1e-3)) };
}

/** Half the side, by means of 2x2 squares. */
function halved({ size, data }: Plane): Plane {
  const half = size / 2;
  const out = new Float64Array(half * half);
  for (let y = 0, i = 0; y < half; y++) {
    for (let x = 0; x < half; x++, i++) {
      const j = 2 * y * size + 2 * x;
      out[i] = (data[j]! + data[j + 1]! + data[j + size]! + data[j + size + 1]!) / 4;
    }
  }
  return { size: half, data: out };
}

/** From each pixel that has one to its neighbour `dx` to the right and `dy` down. */
function difference({ size, data }: Plane, dx: number, dy: number): Float64Array {
  const out = new Float64Array((size - dx) * (size - Math.abs(dy)));
  const step = dy * size + dx;
  for (let y = Math.max(0, -dy), i = 0; y < size - Math.max(0, dy); y++) {
    for (let x = 0; x < size - dx; x++, i++) {
      out[i] = data[y * size + x + step]! - data[y * size + x]!;
    }
  }
  return out;
}

/** Each inner pixel less the mean of its four neighbours. */
function laplacian({ size, data }: Plane): Plane {
  const inner = size - 2;
  const out = new Float64Array(inner * inner);
  for (let y = 1, i = 0; y <= inner; y++) {
    for (let x = 1; x <= inner; x++, i++) {
      const j = y * size + x;
      const around = data[j - 1]! + data[j + 1]! + data[j - size]! + data[j + size]!;
      out[i] = data[j]! - around / 4;
    }
  }
  return { size: inner, data: out };
}

/** How much there is of a response, and whether it is spread out (0) or in few places. */
function strength(response: Float64Array): [number, number] {
  const magnitude = average(response.map(Math.abs));
  const energy = average(response.map((value) => value * value));
  return [Math.log(magnitude + FLOOR), Math.log((energy + FLOOR ** 2) / (magnitude + FLOOR) ** 2)];
}

/** Above 0 where lines are bright, below where they are dark. */
function skewness(values: Float64Array): number {
  const energy = average(values.map((value) => value * value));
  const cubes = average(values.map((value) => value ** 3));
  return Math.cbrt(cubes) / Math.sqrt(energy + FLOOR ** 2);
}

/** Of the luminance: a drawing has much paper, a night much dark. */
function distribution({ data }: Plane): number[] {
  const sorted = data.toSorted();
  return QUANTILES.map((share) => sorted[Math.round(share * (sorted.length - 1))]!);
}

/** Amounts of colour to those of luminance: overall, and in detail. */
function colourfulness(colours: Float32Array, grey: Plane): number[] {
  const { size } = grey;
  const plane = size * size;
  const chroma = [0, 2].map((c) => ({
    size,
    data: grey.data.map((value, i) => colours[c * plane + i]! - value),
  }));
  const deviation = (x: Plane) => {
    const mean = average(x.data);
    return average(x.data.map((value) => (value - mean) ** 2));
  };
  const detail = (x: Plane) => average(laplacian(x).data.map((value) => value * value));
  const coarseDetail = (x: Plane) => detail(halved(x));
  return [deviation, detail, coarseDetail].map((amount) => {
    const [red, blue] = chroma.map(amount);
    return Math.log((red! + blue! + 1e-5) / (amount(grey) + 1e-5)) / 2;
  });
}

/** Logarithm of the detail in each part, less that of all. */
function detailByPart({ size, data }: Plane): number[] {
  const sums = new Float64Array(PARTS * PARTS);
  const part = (position: number) => Math.floor(position * PARTS / size);
  for (let y = 0, i = 0; y < size; y++) {
    for (let x = 0; x < size; x++, i++) sums[part(y) * PARTS + part(x)]! += Math.abs(data[i]!);
  }
  const cell = size * size / (PARTS * PARTS);
  const all = Math.log(average(data.map(Math.abs)) + FLOOR);
  return Array.from(sums, (sum) => Math.log(sum / cell + FLOOR) - all);
}

/** How alike detail is to itself, moved. */
function repetition({ size, data }: Plane): number[] {
  const energy = average(data.map((value) => value * value)) + FLOOR ** 2;
  return REPEATS.map(([dx, dy]) => {
    let sum = 0;
    let count = 0;
    for (let y = Math.max(0, -dy); y < size - Math.max(0, dy); y++) {
      for (let x = 0; x < size - dx; x++, count++) {
        sum += data[y * size + x]! * data[(y + dy) * size + x + dx]!;
      }
    }
    return sum / count / energy;
  });
}

/** Whether it changes more within pairs of columns, and rows, or between them. */
function steps({ size, data }: Plane): number[] {
  const sums = { columns: [0, 0], rows: [0, 0] };
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size - 1; x++) {
      sums.columns[x % 2]! += Math.abs(data[y * size + x + 1]! - data[y * size + x]!);
      sums.rows[x % 2]! += Math.abs(data[(x + 1) * size + y]! - data[x * size + y]!);
    }
  }
  const count = size * size / 2;
  return Object.values(sums).map(([within, between]) =>
    Math.log(between! / count + FLOOR) - Math.log(within! / count + FLOOR)
  );
}

function average(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}
