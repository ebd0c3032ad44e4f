/** A drawn scene before it gets a style: what each pixel shows, not how. */
import type { Rgb } from "./colours.ts";
import type { Shape } from "./shapes.ts";

/** Planes of `size * size` values, row by row. */
export interface Layers {
  readonly size: number;
  /** Colour of the surface from 0 to 1: the red plane, then green, then blue. */
  readonly albedo: Float32Array<ArrayBuffer>;
  /** How much of an outline runs here, from 0 to 1. */
  readonly line: Float32Array<ArrayBuffer>;
  /** Height of the surface above the background, in the units of the shapes. */
  readonly height: Float32Array<ArrayBuffer>;
  /** How much of the pixel the person covers, from 0 to 1. */
  readonly foreground: Float32Array<ArrayBuffer>;
}

export interface Surface {
  readonly colour: Rgb;
  /** From 0 (nothing is drawn) to 1. */
  readonly opacity?: number;
  /** Strength of the outline, 0 without. */
  readonly line?: number;
  /** Height where the shape begins, and how much higher its middle is. Without: flat on what is. */
  readonly height?: number;
  readonly bulge?: number;
  /** How far inside the outline the bulge has reached its full height. */
  readonly round?: number;
  /** Width over which the edge fades, beyond the one pixel of anti-aliasing. */
  readonly soft?: number;
}

/** The picture shows x from -0.86 to 0.86, and as much of y around -0.1. */
const VIEW = { half: 0.86, y: -0.1 };

/** Half the width of an outline. */
const LINE = 0.022;

export function emptyLayers(size: number): Layers {
  const plane = size * size;
  return {
    size,
    albedo: new Float32Array(3 * plane),
    line: new Float32Array(plane),
    height: new Float32Array(plane),
    foreground: new Float32Array(plane),
  };
}

/** Draws a shape over what is there. */
export function paint(layers: Layers, shape: Shape, surface: Surface): void {
  const { opacity = 1, line = 0, height, bulge = 0, round = 0.2, soft = 0 } = surface;
  if (opacity === 0) return;
  const [red, green, blue] = surface.colour;
  const { size, albedo, foreground } = layers;
  const plane = size * size;
  const pixel = 2 * VIEW.half / size;
  const fade = pixel + soft;
  const { rows, columns } = covered(layers, shape, fade + 2 * LINE);
  for (let row = rows.first; row <= rows.last; row++) {
    const y = (row + 0.5) * pixel - VIEW.half + VIEW.y;
    for (let column = columns.first; column <= columns.last; column++) {
      const distance = shape.distance((column + 0.5) * pixel - VIEW.half, y);
      const i = row * size + column;
      const cover = opacity * clamp(0.5 - distance / fade);
      if (cover > 0) {
        albedo[i]! += (red - albedo[i]!) * cover;
        albedo[plane + i]! += (green - albedo[plane + i]!) * cover;
        albedo[2 * plane + i]! += (blue - albedo[2 * plane + i]!) * cover;
        foreground[i]! += (1 - foreground[i]!) * cover;
        if (height !== undefined) {
          const depth = 1 - clamp(-distance / round);
          const here = height + bulge * Math.sqrt(1 - depth * depth);
          layers.height[i]! += (here - layers.height[i]!) * cover;
        }
        if (soft === 0) layers.line[i]! *= 1 - cover;
      }
      if (line > 0) {
        const ink = opacity * line * clamp(0.5 - (Math.abs(distance) - LINE) / pixel);
        layers.line[i] = Math.max(layers.line[i]!, ink);
      }
    }
  }
}

/** The rows and columns of the pixels that a shape and a `margin` around it may touch. */
function covered({ size }: Layers, { box }: Shape, margin: number) {
  const index = (position: number) =>
    Math.min(size - 1, Math.max(0, Math.floor((position / VIEW.half + 1) * size / 2)));
  return {
    rows: { first: index(box.top - VIEW.y - margin), last: index(box.bottom - VIEW.y + margin) },
    columns: { first: index(box.left - margin), last: index(box.right + margin) },
  };
}

function clamp(value: number): number {
  return value < 0 ? 0 : value > 1 ? 1 : value;
}
