/** Carved out of grey rock: no colour, hard light over the relief, grooves, grains. */
import { luminance } from "../colours.ts";
import type { Layers } from "../layers.ts";
import { perPixel, type Picture } from "../picture.ts";
import { hash, lit, smoothNoise } from "../raster.ts";

export function stone(layers: Layers): Picture {
  const { size, albedo, line, foreground } = layers;
  const plane = size * size;
  const unit = 64 / size;
  const light = lit(layers, [-0.7, -0.8, 0.55], { smooth: 0.9, relief: 0.9 });
  return perPixel(size, (rgb, i, x, y) => {
    const u = x * unit;
    const v = y * unit;
    const grain = 0.12 * (hash(x, y, 31) - 0.5) + 0.14 * (smoothNoise(u / 3, v / 3, 32) - 0.5);
    const vein = Math.abs(smoothNoise(u / 13, v / 13, 33) - 0.5) < 0.025 ? -0.13 : 0;
    const grey = luminance(albedo[i]!, albedo[plane + i]!, albedo[2 * plane + i]!);
    const f = foreground[i]!;
    const carved = (0.36 + 0.66 * light[i]!) * (0.75 + 0.35 * grey);
    const tone = 0.46 * (1 - f) + carved * f - 0.26 * line[i]! + grain + vein;
    rgb[0] = tone * 0.97;
    rgb[1] = tone * 0.98;
    rgb[2] = tone * 1.0;
  });
}
