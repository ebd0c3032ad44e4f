/** Windows of images at positions that are known only when a program runs. */
import cropGradWgsl from "../../../kernels/crop_grad.wgsl" with { type: "text" };
import { ShapeError } from "../../errors.ts";
import { defineGather, defineOp, type Op } from "../op.ts";
import { dims, numel, type Tensor } from "../tensor.ts";
import { PER_ELEMENT, perElement } from "./launch.ts";

/** Corners for samples: windows of up to 4x5 inside images of 7x9, row and column in turn. */
const someCorner = (i: number, random: () => number) => Math.floor([4, 5][i % 2]! * random());

function checkCorners(corners: Tensor, images: number): number {
  const { count, two } = dims(corners, "count two");
  if (two !== 2 || count % images !== 0) {
    throw new ShapeError(
      `Cannot crop at corners [${corners.shape}]: [${images} * k, 2] is needed for ${images} images`,
    );
  }
  return count;
}

/**
 * Windows of `size` `[height, width]` from images x `[n, c, h, w]`. Corners are u32 `[n * k, 2]`,
 * row and column of each window's first pixel, the k windows of an image one after the other →
 * `[n * k, c, height, width]`. Every window has to lie inside its image.
 */
export const crop: Op<"x" | "corners", { size: readonly [number, number] }> = defineGather({
  name: "crop",
  dtypes: { corners: "u32" },
  shape({ x, corners }, { size }) {
    const { n, c, h, w } = dims(x, "n c h w");
    if (size[0] > h || size[1] > w) {
      throw new ShapeError(`Cannot crop [${size}] from [${x.shape}]: the window is larger`);
    }
    return [checkCorners(corners, n), c, ...size];
  },
  // Not by sample: each would need its own of the corners, and only f32 can be sliced.
  blocks: () => [null, { x: 1 }, null, null],
  body(at, { x, corners }, { size: [height, width] }) {
    const { n, c, h, w } = dims(x, "n c h w");
    const each = corners.shape[0]! / n;
    return [
      `let window = i / ${c * height * width}u;`,
      `let plane = window / ${each}u * ${c}u + i / ${height * width}u % ${c}u;`,
      `let row = ${at("corners", "2u * window")} + i / ${width}u % ${height}u;`,
      `let column = ${at("corners", "2u * window + 1u")} + i % ${width}u;`,
      `return ${at("x", `(plane * ${h}u + row) * ${w}u + column`)};`,
    ].join(" ");
  },
  reference({ x, corners }, { size: [height, width] }) {
    const { n, c, h, w } = dims(x, "n c h w");
    const count = corners.shape[0]!;
    return Array.from({ length: count * c * height * width }, (_, i) => {
      const window = Math.floor(i / (c * height * width));
      const plane = Math.floor(window * n / count) * c + Math.floor(i / (height * width)) % c;
      const row = corners.data[2 * window]! + Math.floor(i / width) % height;
      return x.data[(plane * h + row) * w + corners.data[2 * window + 1]! + i % width]!;
    });
  },
  vjp: (gy, { x, corners }) => ({
    x: cropGrad({ gy, corners }, { images: x.shape[0]!, size: [x.shape[2]!, x.shape[3]!] }),
    corners: null,
  }),
  samples: [
    {
      inputs: { x: [2, 3, 7, 9], corners: [2, 2] },
      attrs: { size: [4, 5] },
      fill: { corners: someCorner },
    },
    {
      inputs: { x: [2, 1, 7, 9], corners: [6, 2] },
      attrs: { size: [3, 5] },
      fill: { corners: someCorner },
    },
    {
      inputs: { x: [1, 2, 7, 9], corners: [1, 2] },
      attrs: { size: [7, 9] },
      fill: { corners: () => 0 },
    },
  ],
});

interface CropGradAttrs {
  readonly images: number;
  /** Height and width of the images. */
  readonly size: readonly [number, number];
}

/** Cotangent of the images that `crop` read: each pixel sums those of the windows it lies in. */
const cropGrad: Op<"gy" | "corners", CropGradAttrs> = defineOp({
  name: "crop_grad",
  dtypes: { corners: "u32" },
  shape({ gy, corners }, { images, size }) {
    checkCorners(corners, images);
    return [images, dims(gy, "count c height width").c, ...size];
  },
  blocks: () => [null, { gy: 1 }, null, null],
  kernels: [{
    name: "crop_grad",
    source: cropGradWgsl,
    params({ gy }, { images, size: [h, w] }, out) {
      const { count, c, height, width } = dims(gy, "count c height width");
      return { count: numel(out.shape), windows: count / images, channels: c, height, width, h, w };
    },
    consts: PER_ELEMENT,
    grid: perElement,
  }],
  reference({ gy, corners }, { images, size: [h, w] }) {
    const { count, c, height, width } = dims(gy, "count c height width");
    const out = new Float64Array(images * c * h * w);
    for (let i = 0; i < gy.data.length; i++) {
      const window = Math.floor(i / (c * height * width));
      const plane = Math.floor(window * images / count) * c + Math.floor(i / (height * width)) % c;
      const row = corners.data[2 * window]! + Math.floor(i / width) % height;
      out[(plane * h + row) * w + corners.data[2 * window + 1]! + i % width]! += gy.data[i]!;
    }
    return out;
  },
  vjp: (v, { gy, corners }) => ({
    gy: crop({ x: v, corners }, { size: [gy.shape[2]!, gy.shape[3]!] }),
    corners: null,
  }),
  samples: [
    {
      inputs: { gy: [6, 2, 4, 5], corners: [6, 2] },
      attrs: { images: 3, size: [7, 9] },
      fill: { corners: someCorner },
    },
  ],
});
