/** Pencil on paper: outlines, and hatching where it is dark. */
import { luminance } from "../colours.ts";
import type { Layers } from "../layers.ts";
import { perPixel, type Picture } from "../picture.ts";
import { hash, lit, smoothStep } from "../raster.ts";

const KEY_LIGHT = [-0.45, -0.6, 0.75] as const;

export function sketch(layers: Layers): Picture {
  const { size, albedo, line, foreground } = layers;
  const plane = size * size;
  const light = lit(layers, KEY_LIGHT, { smooth: 1.4 });
  const unit = 64 / size;
  return perPixel(size, (rgb, i, x, y) => {
    const grey = luminance(albedo[i]!, albedo[plane + i]!, albedo[2 * plane + i]!);
    const dark = foreground[i]! * (0.8 - 0.62 * Math.sqrt(grey) - 0.35 * (light[i]! - 0.6));
    // One stroke every four pixels, a second one between where it is darker still.
    const phase = ((x + y) * unit / 4) % 1;
    const stroke = Math.abs(phase - 0.5) * 2;
    const hatching = smoothStep(1 - 1.3 * dark, 1.5 - 1.3 * dark, stroke) *
      smoothStep(0.18, 0.5, dark);
    const grain = 0.05 * (hash(x, y, 1) - 0.5);
    const paper = 0.965 + grain;
    const graphite = Math.max(0.92 * line[i]!, 0.62 * hatching);
    const tone = paper - graphite * (0.8 + 2 * grain);
    rgb[0] = tone;
    rgb[1] = tone * 0.99;
    rgb[2] = tone * 0.965;
  });
}
