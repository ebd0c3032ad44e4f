/** Large square pixels in few colours with dark outlines, as in an old video game. */
import type { Layers } from "../layers.ts";
import { perPixel, type Picture } from "../picture.ts";
import { lit } from "../raster.ts";

/** Squares along a side. */
const BLOCKS = 32;
const LEVELS = 5;

export function pixelArt(layers: Layers): Picture {
  const { size, albedo, line, foreground } = layers;
  const plane = size * size;
  const light = lit(layers, [-0.45, -0.6, 0.75]);
  const counts = new Float32Array(BLOCKS * BLOCKS);
  const sums = new Float32Array(3 * BLOCKS * BLOCKS);
  const ink = new Float32Array(BLOCKS * BLOCKS);
  const block = (i: number) => Math.floor(i * BLOCKS / size);
  for (let y = 0, i = 0; y < size; y++) {
    for (let x = 0; x < size; x++, i++) {
      const b = block(y) * BLOCKS + block(x);
      const shade = 1 + foreground[i]! * (light[i]! > 0.5 ? 0.06 : -0.16);
      for (let c = 0; c < 3; c++) sums[3 * b + c]! += albedo[c * plane + i]! * shade;
      counts[b]! += 1;
      ink[b]! += line[i]!;
    }
  }
  return perPixel(size, (rgb, _, x, y) => {
    const b = block(y) * BLOCKS + block(x);
    const outline = ink[b]! / counts[b]! > 0.5 ? 0.25 : 1;
    for (let c = 0; c < 3; c++) {
      const level = Math.round(sums[3 * b + c]! / counts[b]! * LEVELS) / LEVELS;
      rgb[c] = level * outline;
    }
  });
}
