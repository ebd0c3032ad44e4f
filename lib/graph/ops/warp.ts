/** Images seen through a projective map that is known only when a program runs. */
import warpedWgsl from "../../../kernels/common/warped.wgsl" with { type: "text" };
import warpGradWgsl from "../../../kernels/warp_grad.wgsl" with { type: "text" };
import warpWgsl from "../../../kernels/warp.wgsl" with { type: "text" };
import { ShapeError } from "../../errors.ts";
import { defineOp, type HostTensor, type Op } from "../op.ts";
import { dims, numel, type Tensor } from "../tensor.ts";
import { PER_ELEMENT, perElement } from "./launch.ts";

interface Size {
  /** Height and width. */
  readonly size: readonly [number, number];
}

function checkMaps(maps: Tensor, images: Tensor): void {
  if (maps.shape.join() === `${images.shape[0]},9`) return;
  throw new ShapeError(
    `Cannot warp [${images.shape}] by maps [${maps.shape}]: [${images.shape[0]}, 9] is needed`,
  );
}

/**
 * Calls `visit` with flat indices into images `[n, c, h, w]` and windows `[n, c, height, width]`, and
 * the weight by which the one counts in the other.
 */
function eachShare(
  maps: HostTensor,
  { shape: [n, c, h, w] }: { shape: readonly number[] },
  [height, width]: readonly [number, number],
  visit: (image: number, window: number, weight: number) => void,
): void {
  for (let plane = 0; plane < n! * c!; plane++) {
    const m = Array.from({ length: 9 }, (_, k) => maps.data[9 * Math.floor(plane / c!) + k]!);
    for (let v = 0; v < height; v++) {
      for (let u = 0; u < width; u++) {
        const depth = m[6]! * u + m[7]! * v + m[8]!;
        const x = (m[0]! * u + m[1]! * v + m[2]!) / depth;
        const y = (m[3]! * u + m[4]! * v + m[5]!) / depth;
        for (let i = 0; i < h!; i++) {
          for (let j = 0; j < w!; j++) {
            const weight = Math.max(0, 1 - Math.abs(y - i)) * Math.max(0, 1 - Math.abs(x - j));
            visit((plane * h! + i) * w! + j, (plane * height + v) * width + u, weight);
          }
        }
      }
    }
  }
}

/** Maps for samples: nearly 1.2 times the identity, so that some pixels lie outside of an image. */
const someMap = (i: number, random: () => number) =>
  [1.2, 0, 0.3, 0, 1.2, -0.4, 0, 0, 1][i % 9]! +
  [0.2, 0.2, 1, 0.2, 0.2, 1, 0.02, 0.02, 0.1][i % 9]! * random();

/**
 * Windows `[n, c, height, width]` of images x `[n, c, h, w]`. The row `m` of maps `[n, 9]` says where
 * in its image the pixel at column u and row v looks: at column
 * `(m0 u + m1 v + m2) / (m6 u + m7 v + m8)` and row `(m3 u + m4 v + m5) / (m6 u + m7 v + m8)`. What
 * it finds there is bilinear between pixels, whole numbers being their centres, and 0 outside. The
 * denominator has to have one sign in the window and around it. There is no gradient for the maps.
 */
export const warp: Op<"x" | "maps", Size> = defineOp({
  name: "warp",
  shape({ x, maps }, { size }) {
    checkMaps(maps, x);
    const { n, c } = dims(x, "n c h w");
    return [n, c, ...size];
  },
  blocks: () => [{ x: 0, maps: 0 }, { x: 1 }, null, null],
  kernels: [{
    name: "warp",
    source: warpedWgsl + warpWgsl,
    params({ x }, { size: [height, width] }, out) {
      const { c, h, w } = dims(x, "n c h w");
      return { count: numel(out.shape), channels: c, height, width, h, w };
    },
    consts: PER_ELEMENT,
    grid: perElement,
    rereads: true,
  }],
  reference({ x, maps }, { size }) {
    const out = new Float64Array(x.shape[0]! * x.shape[1]! * size[0] * size[1]);
    eachShare(maps, x, size, (image, window, weight) => {
      out[window]! += weight * x.data[image]!;
    });
    return out;
  },
  vjp: (gy, { x, maps }) => ({
    x: warpGrad({ gy, maps }, { size: [x.shape[2]!, x.shape[3]!] }),
    maps: null,
  }),
  samples: [
    { inputs: { x: [2, 3, 7, 9], maps: [2, 9] }, attrs: { size: [6, 5] }, fill: { maps: someMap } },
    { inputs: { x: [3, 1, 5, 5], maps: [3, 9] }, attrs: { size: [5, 7] }, fill: { maps: someMap } },
  ],
});

/** Cotangent of the images that `warp` read, of height and width `size`. */
const warpGrad: Op<"gy" | "maps", Size> = defineOp({
  name: "warp_grad",
  shape({ gy, maps }, { size }) {
    checkMaps(maps, gy);
    const { n, c } = dims(gy, "n c height width");
    return [n, c, ...size];
  },
  blocks: () => [{ gy: 0, maps: 0 }, { gy: 1 }, null, null],
  kernels: [{
    name: "warp_grad",
    source: warpedWgsl + warpGradWgsl,
    params({ gy }, { size: [h, w] }, out) {
      const { c, height, width } = dims(gy, "n c height width");
      return { count: numel(out.shape), channels: c, height, width, h, w };
    },
    consts: PER_ELEMENT,
    grid: perElement,
    rereads: true,
  }],
  reference({ gy, maps }, { size }) {
    const [n, c, height, width] = gy.shape;
    const out = new Float64Array(n! * c! * size[0] * size[1]);
    eachShare(maps, { shape: [n!, c!, ...size] }, [height!, width!], (image, window, weight) => {
      out[image]! += weight * gy.data[window]!;
    });
    return out;
  },
  vjp: (v, { gy, maps }) => ({
    gy: warp({ x: v, maps }, { size: [gy.shape[2]!, gy.shape[3]!] }),
    maps: null,
  }),
  samples: [
    {
      inputs: { gy: [2, 3, 6, 5], maps: [2, 9] },
      attrs: { size: [7, 9] },
      fill: { maps: someMap },
    },
  ],
});
