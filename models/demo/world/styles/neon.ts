/** Glowing tubes on a dark wall: the outlines shine in the colour of what they surround. */
import type { Layers } from "../layers.ts";
import { perPixel, type Picture } from "../picture.ts";
import { blurred } from "../raster.ts";

export function neon(layers: Layers): Picture {
  const { size, albedo, line, foreground } = layers;
  const plane = size * size;
  const unit = size / 64;
  const hue = [0, 1, 2].map((c) => {
    const smooth = blurred(albedo.slice(c * plane, (c + 1) * plane), size, 1.5 * unit);
    return smooth;
  });
  const near = blurred(line, size, 1.2 * unit);
  const far = blurred(line, size, 4 * unit);
  return perPixel(size, (rgb, i, _x, y) => {
    const lamp = lampColour(hue[0]![i]!, hue[1]![i]!, hue[2]![i]!, y / size);
    const core = line[i]! ** 1.5;
    const glow = 0.8 * near[i]! + 0.75 * far[i]!;
    const wall = [0.05, 0.02, 0.09];
    for (let c = 0; c < 3; c++) {
      const tube = lamp[c]! + (1 - lamp[c]!) * 0.75 * core;
      const body = 0.1 * foreground[i]! * lamp[c]!;
      rgb[c] = wall[c]! + body + lamp[c]! * glow + tube * core * 0.75;
    }
  });
}

/** A pure colour: the pixel's own hue at full strength, pulled towards pink above and cyan below. */
function lampColour(r: number, g: number, b: number, height: number): [number, number, number] {
  const low = Math.min(r, g, b);
  const span = Math.max(r, g, b) - low;
  const own = [r, g, b].map((value) => span < 0.05 ? 0.5 : (value - low) / span);
  const sign = height < 0.5 ? [1, 0.1, 0.75] : [0.1, 0.85, 1];
  const pull = 0.45 + 0.5 * Math.abs(height - 0.5);
  return [0, 1, 2].map((c) => own[c]! * (1 - pull) + sign[c]! * pull) as [number, number, number];
}
