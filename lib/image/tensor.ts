import { ShapeError } from "../errors.ts";
import type { RgbImage } from "./image.ts";

/** Images as a generator makes and CLIP takes them: float32 in [-1, 1]. */
export interface ImageTensor {
  shape: readonly [n: number, channels: 3, height: number, width: number];
  data: Float32Array<ArrayBuffer>;
}

/** `[n, 3, h, w]` in [-1, 1] to n images: `round((x + 1) * 127.5)`, clamped to a byte; NaN is 0. */
export function imagesFromTensor(
  data: Float32Array,
  shape: readonly number[],
): RgbImage[] {
  const [n, channels, height, width] = shape;
  if (shape.length !== 4 || channels !== 3) {
    throw new ShapeError(`Cannot make images of [${shape}]: the shape must be [n, 3, h, w]`);
  }
  const plane = height! * width!;
  if (data.length !== n! * 3 * plane) {
    throw new ShapeError(`Cannot make images of [${shape}]: there are ${data.length} values`);
  }
  return Array.from({ length: n! }, (_, i) => {
    const pixels = new Uint8ClampedArray(plane * 3);
    for (let c = 0; c < 3; c++) {
      const start = (i * 3 + c) * plane;
      for (let p = 0; p < plane; p++) {
        pixels[p * 3 + c] = Math.round((data[start + p]! + 1) * 127.5);
      }
    }
    return { width: width!, height: height!, channels: 3, data: new Uint8Array(pixels.buffer) };
  });
}

/** n images of one size to `[n, 3, h, w]`: `x / 127.5 - 1`, which `imagesFromTensor` undoes. */
export function tensorFromImages(images: readonly RgbImage[]): ImageTensor {
  const { width, height } = images[0] ?? { width: 0, height: 0 };
  const plane = width * height;
  const data = new Float32Array(images.length * 3 * plane);
  images.forEach((image, i) => {
    if (image.width !== width || image.height !== height) {
      throw new ShapeError(
        `Cannot stack the images: number ${i} is ${image.width}x${image.height}, number 0 is ` +
          `${width}x${height}; all must have one size`,
      );
    }
    for (let c = 0; c < 3; c++) {
      const start = (i * 3 + c) * plane;
      for (let p = 0; p < plane; p++) {
        data[start + p] = image.data[p * 3 + c]! / 127.5 - 1;
      }
    }
  });
  return { shape: [images.length, 3, height, width], data };
}
