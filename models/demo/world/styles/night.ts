/** Moonlight: deep blue, a bright rim on the side of the moon, stars in the sky. */
import { luminance } from "../colours.ts";
import type { Layers } from "../layers.ts";
import { perPixel, type Picture } from "../picture.ts";
import { hash, lit, smoothStep } from "../raster.ts";

/** Where the moon stands and how large it is, as shares of the side. */
const MOON = { x: 0.84, y: 0.15, radius: 0.085 };
/** Stars stand in cells of this many pixels of a 64x64 picture. */
const CELL = 7;

export function night(layers: Layers): Picture {
  const { size, albedo, foreground } = layers;
  const plane = size * size;
  const rim = lit(layers, [0.85, -0.45, 0.25], { smooth: 1.1 });
  return perPixel(size, (rgb, i, x, y) => {
    const sky = skyAt((x + 0.5) / size, (y + 0.5) / size);
    const own = luminance(albedo[i]!, albedo[plane + i]!, albedo[2 * plane + i]!);
    const f = foreground[i]!;
    const tint = [0.3, 0.42, 0.8];
    for (let c = 0; c < 3; c++) {
      const base = 0.7 * own + 0.3 * albedo[c * plane + i]!;
      const face = base * tint[c]! * (0.62 + 1.1 * rim[i]! ** 1.5);
      rgb[c] = sky[c]! * (1 - f) + face * f;
    }
  });
}

function skyAt(x: number, y: number): [number, number, number] {
  const fromMoon = Math.hypot(x - MOON.x, y - MOON.y);
  // A second circle, a little aside, takes a bite out of the disc.
  const bite = Math.hypot(x - MOON.x + 0.055, y - MOON.y + 0.02);
  const moon = smoothStep(MOON.radius + 0.01, MOON.radius - 0.01, fromMoon) *
    smoothStep(MOON.radius - 0.02, MOON.radius, bite);
  const halo = 0.22 * Math.exp(-((fromMoon / 0.16) ** 2));
  const u = x * 64 / CELL;
  const v = y * 64 / CELL;
  const [column, row] = [Math.floor(u), Math.floor(v)];
  const away = Math.hypot(
    u - column - 0.25 - 0.5 * hash(column, row, 41),
    v - row - 0.25 - 0.5 * hash(column, row, 42),
  ) * CELL;
  const star = hash(column, row, 43) * smoothStep(1.25, 0.3, away);
  const bright = Math.min(1, moon + 0.9 * star);
  const dusk = 0.1 * y;
  return [
    0.03 + halo * 0.8 + bright + dusk * 0.5,
    0.05 + halo * 0.85 + 0.97 * bright + dusk * 0.6,
    0.17 + halo + 0.75 * bright + dusk * 1.6,
  ];
}
