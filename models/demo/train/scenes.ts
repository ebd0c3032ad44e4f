/** Pictures of the world as networks are fed with them. */
import {
  drawFace,
  type Picture,
  sceneFromLatent,
  STYLE_NAMES,
  type StyleName,
  STYLES,
} from "../world/mod.ts";

/** What photos become. */
export const OTHERS: readonly StyleName[] = STYLE_NAMES.filter((style) => style !== "photo");

/** Side at which pictures are drawn; smaller ones are means of their pixels. */
const DRAWN = 64;

/** The layers of a scene: what its pictures in all styles are made of. */
export const drawLayers = (z: ArrayLike<number>) => drawFace(sceneFromLatent(z), DRAWN);

/** A scene in a style, `[3, side, side]` in [-1, 1]; `side` divides 64. */
export function drawPlanes(
  layers: ReturnType<typeof drawLayers>,
  style: StyleName,
  side: number,
): Float32Array<ArrayBuffer> {
  return shrunk(STYLES[style](layers), side).map((value) => 2 * value - 1);
}

function shrunk({ size, data }: Picture, side: number): Float32Array<ArrayBuffer> {
  const factor = size / side;
  const out = new Float32Array(3 * side * side);
  data.forEach((value, i) => {
    const [plane, row] = [Math.floor(i / (size * size)), Math.floor(i / size) % size];
    const at = (plane * side + Math.floor(row / factor)) * side + Math.floor(i % size / factor);
    out[at]! += value / factor ** 2;
  });
  return out;
}

/** Several arrays one after the other. */
export function joined(parts: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const out = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** The rows of `[n, width]`. */
export const rowsOf = (data: Float32Array<ArrayBuffer>, width: number) =>
  Array.from({ length: data.length / width }, (_, i) => data.subarray(i * width, (i + 1) * width));
