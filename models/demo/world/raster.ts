/** Planes of pixels: what several styles need. All planes are square, row by row. */
import type { Layers } from "./layers.ts";

export type Plane = Float32Array<ArrayBuffer>;

/** Blurred by a Gaussian of `sigma` pixels, cut off at 3 sigma; edges are repeated. */
export function blurred(plane: Plane, size: number, sigma: number): Plane {
  const reach = Math.ceil(3 * sigma);
  const taps = Float32Array.from(
    { length: 2 * reach + 1 },
    (_, i) => Math.exp(-(((i - reach) / sigma) ** 2) / 2),
  );
  const total = taps.reduce((sum, tap) => sum + tap, 0);
  taps.forEach((tap, i) => taps[i] = tap / total);
  // Twice along the rows, each time writing columns, makes both directions.
  return alongRows(alongRows(plane, size, taps), size, taps);
}

/** Every row filtered and laid down as a column. */
function alongRows(plane: Plane, size: number, taps: Float32Array): Plane {
  const out = new Float32Array(plane.length);
  const reach = (taps.length - 1) / 2;
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      let sum = 0;
      for (let k = -reach; k <= reach; k++) {
        const from = Math.min(size - 1, Math.max(0, column + k));
        sum += taps[k + reach]! * plane[row * size + from]!;
      }
      out[column * size + row] = sum;
    }
  }
  return out;
}

/** How the surface lies: where it rises to the right and where it rises downwards, as slopes. */
export function slopes(height: Plane, size: number): { x: Plane; y: Plane } {
  const x = new Float32Array(height.length);
  const y = new Float32Array(height.length);
  const scale = size / 4;
  for (let row = 0, i = 0; row < size; row++) {
    const up = row > 0 ? -size : 0;
    const down = row < size - 1 ? size : 0;
    for (let column = 0; column < size; column++, i++) {
      const left = column > 0 ? -1 : 0;
      const right = column < size - 1 ? 1 : 0;
      x[i] = (height[i + right]! - height[i + left]!) * scale;
      y[i] = (height[i + down]! - height[i + up]!) * scale;
    }
  }
  return { x, y };
}

/**
 * How much light from `direction` (x right, y down, z to the viewer) each pixel gets, from 0 to 1,
 * on a surface blurred by `smooth` pixels and `relief` times as high as it is.
 */
export function lit(
  { height, size }: Layers,
  direction: readonly [number, number, number],
  { smooth = 1, relief = 1 }: { smooth?: number; relief?: number } = {},
): Plane {
  const { x, y } = slopes(blurred(height, size, smooth * size / 64), size);
  const [lx, ly, lz] = direction;
  const length = Math.hypot(lx, ly, lz);
  return x.map((slope, i) => {
    const nx = -slope * relief;
    const ny = -y[i]! * relief;
    return Math.max(0, (nx * lx + ny * ly + lz) / (Math.hypot(nx, ny, 1) * length));
  });
}

/** An arbitrary but fixed number from 0 to 1 for every cell of an integer grid. */
export function hash(x: number, y: number, seed: number): number {
  let h = Math.imul(x | 0, 0x27d4eb2d) ^ Math.imul(y | 0, 0x165667b1) ^
    Math.imul(seed, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}

/** Fixed smooth noise from 0 to 1 with about one hill a unit. */
export function smoothNoise(x: number, y: number, seed: number): number {
  const column = Math.floor(x);
  const row = Math.floor(y);
  const fx = x - column;
  const fy = y - row;
  const u = fx * fx * (3 - 2 * fx);
  const v = fy * fy * (3 - 2 * fy);
  const top = hash(column, row, seed) * (1 - u) + hash(column + 1, row, seed) * u;
  const bottom = hash(column, row + 1, seed) * (1 - u) + hash(column + 1, row + 1, seed) * u;
  return top * (1 - v) + bottom * v;
}

/** 0 below `from`, 1 above `to`, smooth between. */
export function smoothStep(from: number, to: number, value: number): number {
  const t = Math.min(1, Math.max(0, (value - from) / (to - from)));
  return t * t * (3 - 2 * t);
}
