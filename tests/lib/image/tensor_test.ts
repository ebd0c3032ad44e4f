import { deepEqual, equal, ok, throws } from "node:assert/strict";

import { ShapeError } from "../../../lib/errors.ts";
import { imagesFromTensor, tensorFromImages } from "../../../lib/image/tensor.ts";

Deno.test("imagesFromTensor() undoes tensorFromImages() for every byte", () => {
  const images = [0, 1].map((k) => ({
    width: 16,
    height: 16,
    channels: 3 as const,
    data: Uint8Array.from({ length: 768 }, (_, i) => i + 100 * k),
  }));
  const { data, shape } = tensorFromImages(images);
  deepEqual(shape, [2, 3, 16, 16]);
  ok(data.every((value) => value >= -1 && value <= 1));
  deepEqual(imagesFromTensor(data, shape), images);
});

Deno.test("imagesFromTensor() reads planes by sample, channel, row and column", () => {
  const [n, h, w] = [2, 2, 3];
  const data = new Float32Array(n * 3 * h * w).fill(-1);
  data[((1 * 3 + 2) * h + 1) * w + 0] = 1; // sample 1, blue, row 1, column 0
  const images = imagesFromTensor(data, [n, 3, h, w]);
  deepEqual([...images[0]!.data], Array(18).fill(0));
  deepEqual([...images[1]!.data], Array.from({ length: 18 }, (_, i) => i === 3 * 3 + 2 ? 255 : 0));
});

Deno.test("imagesFromTensor() rounds to the nearest byte and clamps", () => {
  const values = [-1, 1, 0, -1.7, 3, NaN, 0.0039, -0.0039, 9.4 / 127.5 - 1, 9.6 / 127.5 - 1, 0, 0];
  const [image] = imagesFromTensor(Float32Array.from(values), [1, 3, 1, 4]);
  const plane = (c: number) => [0, 1, 2, 3].map((p) => image!.data[p * 3 + c]);
  deepEqual([...plane(0), ...plane(1), ...plane(2)], [
    0,
    255,
    128,
    0,
    255,
    0,
    128,
    127,
    9,
    10,
    128,
    128,
  ]);
});

Deno.test("imagesFromTensor() and tensorFromImages() name shapes that do not fit", () => {
  throws(() => imagesFromTensor(new Float32Array(4), [1, 1, 2, 2]), ShapeError);
  throws(() => imagesFromTensor(new Float32Array(11), [1, 3, 2, 2]), /there are 11 values/);
  const image = (width: number) => ({
    width,
    height: 1,
    channels: 3 as const,
    data: new Uint8Array(3 * width),
  });
  throws(() => tensorFromImages([image(2), image(3)]), /number 1 is 3x1, number 0 is 2x1/);
  equal(tensorFromImages([]).data.length, 0);
});
