/** Pictures of the world as networks are fed with them. */
import { drawFace, type Picture, sceneFromLatent, type StyleName, STYLES } from "../world/mod.ts";

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

export interface Move {
  readonly zoom: number;
  /** In half sides of the picture. */
  readonly x: number;
  readonly y: number;
}

/** Planes `[3, side, side]` seen a little closer, farther or aside; the border's pixels go on. */
export function moved(
  planes: Float32Array<ArrayBuffer>,
  side: number,
  { zoom, x, y }: Move,
): Float32Array<ArrayBuffer> {
  const from = (shift: number) =>
    Array.from({ length: side }, (_, i) => {
      const place = (zoom * (2 * (i + 0.5) / side - 1) + shift + 1) * side / 2 - 0.5;
      const inside = Math.min(side - 1, Math.max(0, place));
      const low = Math.min(side - 2, Math.floor(inside));
      return { low, share: inside - low };
    });
  const [rows, columns] = [from(y), from(x)];
  return planes.map((_, i) => {
    const plane = i - i % (side * side);
    const row = rows[Math.floor(i / side) % side]!;
    const column = columns[i % side]!;
    const at = plane + row.low * side + column.low;
    const above = planes[at]! + (planes[at + 1]! - planes[at]!) * column.share;
    const below = planes[at + side]! + (planes[at + side + 1]! - planes[at + side]!) * column.share;
    return above + (below - above) * row.share;
  });
}
