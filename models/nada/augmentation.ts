/**
 * Images as CLIP would see them from a little elsewhere: a random window, perhaps mirrored, perhaps
 * from the side, the same for both images of a pair. It keeps the generator from textures that please
 * CLIP in one place only.
 */
import { RandomState } from "../../lib/random/numpy.ts";
import { warp } from "../../lib/graph/ops/mod.ts";
import { dims, type Tensor } from "../../lib/graph/tensor.ts";

/** "perspective" also mirrors, and its windows are quadrilaterals of random corners. */
export const AUGMENTATIONS = ["none", "crop-flip", "perspective"] as const;
export type Augmentation = typeof AUGMENTATIONS[number];

/** Side of the windows of images of a side. */
export function windowSize(side: number): number {
  return Math.max(1, Math.round(side * 7 / 8));
}

/** Windows `[n, c, s, s]` of square images `[n, c, h, h]`; maps `[n, 9]` as `warp` takes them. */
export function augment(images: Tensor, maps: Tensor): Tensor {
  const s = windowSize(dims(images, "n c h w").h);
  return warp({ x: images, maps }, { size: [s, s] });
}

/** One stream of random windows, from which each step takes those of its batch. */
export class WindowStream {
  readonly #random: RandomState;
  readonly #map: (side: number, uniform: Float64Array) => number[];
  readonly #draws: number;

  /** `skip` steps have been taken already. */
  constructor(
    kind: Exclude<Augmentation, "none">,
    seed: number,
    private readonly side: number,
    private readonly batch: number,
    skip = 0,
  ) {
    this.#random = new RandomState(seed);
    [this.#map, this.#draws] = kind === "perspective" ? [quadrilateralMap, 9] : [squareMap, 3];
    for (let step = 0; step < skip; step++) this.next();
  }

  /** Maps of the windows `[batch, 9]`. */
  next(): Float32Array<ArrayBuffer> {
    const uniform = this.#random.randomSample(this.#draws * this.batch);
    const rows = Array.from({ length: this.batch }, (_, i) => {
      const draws = uniform.subarray(this.#draws * i, this.#draws * (i + 1));
      const map = this.#map(this.side, draws);
      return draws[0]! < 0.5 ? mirrored(map, windowSize(this.side)) : map;
    });
    return Float32Array.from(rows.flat());
  }
}

/** A window of whole pixels: only its place is drawn, from the second and third number. */
function squareMap(side: number, [, x, y]: Float64Array): number[] {
  const places = side - windowSize(side) + 1;
  return [1, 0, Math.floor(x! * places), 0, 1, Math.floor(y! * places), 0, 0, 1];
}

/**
 * The window's corners lie near those of the image, each drawn from a square of an eighth of its
 * side: from the second number on x and y of the first corner, and so on around.
 */
function quadrilateralMap(side: number, draws: Float64Array): number[] {
  const reach = side - windowSize(side);
  const corner = (k: number, right: boolean, bottom: boolean): Point => {
    const [x, y] = [reach * draws[2 * k + 1]!, reach * draws[2 * k + 2]!];
    return [right ? side - 1 - x : x, bottom ? side - 1 - y : y];
  };
  return mapOntoCorners(windowSize(side) - 1, [
    corner(0, false, false),
    corner(1, true, false),
    corner(2, true, true),
    corner(3, false, true),
  ]);
}

type Point = readonly [x: number, y: number];

/**
 * The projective map of the square from 0 to `size` onto the quadrilateral that its corners go to:
 * those at (0, 0), (size, 0), (size, size), (0, size). Its last number is 1.
 */
export function mapOntoCorners(
  size: number,
  [[x0, y0], [x1, y1], [x2, y2], [x3, y3]]: readonly [Point, Point, Point, Point],
): number[] {
  const [ax, ay, bx, by] = [x1 - x2, y1 - y2, x3 - x2, y3 - y2];
  // What is missing to a parallelogram is what perspective has to do.
  const [sx, sy] = [x0 - x1 + x2 - x3, y0 - y1 + y2 - y3];
  const determinant = ax * by - bx * ay;
  const g = (sx * by - bx * sy) / determinant;
  const h = (ax * sy - sx * ay) / determinant;
  return [
    (x1 - x0 + g * x1) / size,
    (x3 - x0 + h * x3) / size,
    x0,
    (y1 - y0 + g * y1) / size,
    (y3 - y0 + h * y3) / size,
    y0,
    g / size,
    h / size,
    1,
  ];
}

/** The same window seen in a mirror: its column u shows what column `size - 1 - u` showed. */
function mirrored(map: readonly number[], size: number): number[] {
  return map.map((value, k) =>
    k % 3 === 0 ? -value : k % 3 === 2 ? value + (size - 1) * map[k - 2]! : value
  );
}
