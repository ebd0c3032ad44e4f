/** Soft light from the upper left, a gleam, and a background out of focus. */
import type { Layers } from "../layers.ts";
import { perPixel, type Picture } from "../picture.ts";
import { lit } from "../raster.ts";

const KEY_LIGHT = [-0.45, -0.6, 0.75] as const;

export function photo(layers: Layers): Picture {
  const { size, albedo, line, foreground } = layers;
  const plane = size * size;
  const light = lit(layers, KEY_LIGHT, { smooth: 1.6, relief: 0.65 });
  return perPixel(size, (rgb, i, x, y) => {
    const distance = Math.hypot(x / size - 0.5, y / size - 0.5);
    const vignette = 1 - 0.25 * distance * distance;
    const crease = 1 - 0.3 * line[i]! * foreground[i]!;
    const shade = 0.56 + 0.64 * light[i]! ** 1.2;
    const gleam = 0.16 * Math.max(0, light[i]! - 0.93) / 0.07;
    const f = foreground[i]!;
    for (let c = 0; c < 3; c++) {
      const base = albedo[c * plane + i]!;
      const surface = base * shade * crease + gleam * (1 - base);
      rgb[c] = (base * (1 - f) + surface * f) * vignette;
    }
  });
}
