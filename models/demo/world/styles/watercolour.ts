/** Thin paint on wet paper: pale flat washes with darker rims, a ragged edge and white around. */
import type { Layers } from "../layers.ts";
import { perPixel, type Picture } from "../picture.ts";
import { smoothNoise, smoothStep } from "../raster.ts";

export function watercolour(layers: Layers): Picture {
  const { size, albedo, line, foreground } = layers;
  const plane = size * size;
  const unit = 64 / size;
  return perPixel(size, (rgb, i, x, y) => {
    const u = x * unit;
    const v = y * unit;
    // Water carries the paint a little off the outlines.
    const dx = 3 * (smoothNoise(u / 7, v / 7, 21) - 0.5);
    const dy = 3 * (smoothNoise(u / 7, v / 7, 22) - 0.5);
    const column = Math.min(size - 1, Math.max(0, Math.round(x + dx / unit)));
    const row = Math.min(size - 1, Math.max(0, Math.round(y + dy / unit)));
    const j = row * size + column;
    const reach = Math.hypot((u - 31.5) / 31, (v - 34) / 31) +
      0.5 * (smoothNoise(u / 6, v / 6, 23) - 0.5);
    const wet = Math.max(foreground[j]!, 0.75) * (1 - smoothStep(0.86, 0.96, reach));
    const puddle = smoothStep(0.74, 0.86, reach) * (1 - smoothStep(0.86, 0.96, reach));
    const pool = 0.35 * smoothNoise(u / 9, v / 9, 24) + 0.15 * smoothNoise(u / 2, v / 2, 25);
    const strength = wet * (0.42 + 0.55 * pool + 0.25 * puddle + 0.3 * foreground[j]!);
    for (let c = 0; c < 3; c++) {
      const pigment = 1 - albedo[c * plane + j]!;
      const own = 1 - albedo[c * plane + i]!;
      const mixed = 0.6 * pigment + 0.4 * own;
      const rim = 0.3 * line[i]! * (0.4 + mixed);
      rgb[c] = 0.99 - strength * mixed * 0.95 - rim * Math.min(1, wet + 0.2);
    }
  });
}
