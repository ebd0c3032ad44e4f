/** A small LPIPS of random weights, and what it should give, in float64. */
import type { TensorData } from "../../../lib/checkpoint/mod.ts";
import { numel } from "../../../lib/graph/tensor.ts";
import type { RgbImage } from "../../../lib/image/mod.ts";
import { normals, seededRandom } from "../../gpu.ts";

/** Convolutions by their place in torchvision: channels, kernel, stride, padding. */
type Conv = readonly [index: number, channels: number, kernel: number, stride: number, pad: number];

const CONVS: Readonly<Record<"alex" | "vgg", readonly Conv[]>> = {
  alex: [[0, 4, 11, 4, 2], [3, 6, 5, 1, 2], [6, 5, 3, 1, 1], [8, 3, 3, 1, 1], [10, 4, 3, 1, 1]],
  vgg: [
    ...[[0, 3, 3, 1, 1], [2, 4, 3, 1, 1], [5, 5, 3, 1, 1], [7, 4, 3, 1, 1]] as const,
    ...[[10, 3, 3, 1, 1], [12, 4, 3, 1, 1], [14, 5, 3, 1, 1]] as const,
    ...[[17, 4, 3, 1, 1], [19, 3, 3, 1, 1], [21, 4, 3, 1, 1]] as const,
    ...[[24, 3, 3, 1, 1], [26, 4, 3, 1, 1], [28, 5, 3, 1, 1]] as const,
  ],
};

/** Windows of the pooling in front of a convolution. */
const POOLS = {
  alex: { before: [3, 6], size: 3, stride: 2 },
  vgg: { before: [5, 10, 17, 24], size: 2, stride: 2 },
};

/** The slice of the package's network that ends with the convolution, where it is compared. */
const SLICE_ENDS = { alex: [0, 3, 6, 8, 10], vgg: [2, 7, 14, 21, 28] };

/** The state dict of the whole, as `lpips.LPIPS(net=…).state_dict()` names it. */
export function madeUpLpips(net: "alex" | "vgg", seed = 1): Map<string, TensorData> {
  const random = seededRandom(seed);
  const tensors = new Map<string, TensorData>();
  const add = (name: string, shape: number[], scale: number, change = (x: number) => x) =>
    tensors.set(name, { shape, data: normals(numel(shape), random).map((x) => change(scale * x)) });
  add("scaling_layer.shift", [1, 3, 1, 1], 0.1);
  add("scaling_layer.scale", [1, 3, 1, 1], 0.1, (x) => 0.45 + x / 4);
  let inputs = 3;
  let slice = 1;
  for (const [index, channels, kernel] of CONVS[net]) {
    const name = `net.slice${slice}.${index}`;
    add(`${name}.weight`, [channels, inputs, kernel, kernel], Math.sqrt(2 / inputs) / kernel);
    add(`${name}.bias`, [channels], 0.1);
    inputs = channels;
    if (!SLICE_ENDS[net].includes(index)) continue;
    add(`lin${slice - 1}.model.1.weight`, [1, channels, 1, 1], 1, Math.abs);
    tensors.set(`lins.${slice - 1}.model.1.weight`, tensors.get(`lin${slice - 1}.model.1.weight`)!);
    slice++;
  }
  return tensors;
}

export function noiseImage(side: number, seed: number): RgbImage {
  const random = seededRandom(seed);
  const data = Uint8Array.from({ length: 3 * side * side }, () => 256 * random());
  return { width: side, height: side, channels: 3, data };
}

interface Map3 {
  readonly c: number;
  readonly side: number;
  readonly data: Float64Array;
}

/** LPIPS of two images by the formulas, one sum at a time. */
export function referenceLpips(
  net: "alex" | "vgg",
  tensors: ReadonlyMap<string, TensorData>,
  one: RgbImage,
  other: RgbImage,
): number {
  const [left, right] = [one, other].map((image) => comparedMaps(net, tensors, image));
  return left!.reduce((total, { c, side, data }, k) => {
    const head = tensors.get(`lin${k}.model.1.weight`)!.data;
    let sum = 0;
    for (let i = 0; i < c * side * side; i++) {
      sum += head[Math.floor(i / (side * side))]! * (data[i]! - right![k]!.data[i]!) ** 2;
    }
    return total + sum / (side * side);
  }, 0);
}

function comparedMaps(
  net: "alex" | "vgg",
  tensors: ReadonlyMap<string, TensorData>,
  { width: side, data }: RgbImage,
): Map3[] {
  const [shift, scale] = ["shift", "scale"].map((kind) => tensors.get(`scaling_layer.${kind}`)!);
  let x: Map3 = { c: 3, side, data: new Float64Array(3 * side * side) };
  for (let i = 0; i < x.data.length; i++) {
    const [channel, pixel] = [Math.floor(i / side ** 2), i % side ** 2];
    const value = data[3 * pixel + channel]! / 127.5 - 1;
    x.data[i] = (value - shift!.data[channel]!) / scale!.data[channel]!;
  }
  const maps: Map3[] = [];
  let slice = 1;
  for (const conv of CONVS[net]) {
    const { before, size, stride } = POOLS[net];
    if (before.includes(conv[0])) x = pool(x, size, stride);
    const get = (kind: string) => tensors.get(`net.slice${slice}.${conv[0]}.${kind}`)!.data;
    x = convolve(x, conv, get("weight"), get("bias"));
    if (!SLICE_ENDS[net].includes(conv[0])) continue;
    maps.push(unit(x));
    slice++;
  }
  return maps;
}

function convolve(
  { c, side, data }: Map3,
  [, channels, kernel, stride, pad]: Conv,
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
): Map3 {
  const to = Math.floor((side + 2 * pad - kernel) / stride) + 1;
  const out = new Float64Array(channels * to * to);
  for (let o = 0; o < channels; o++) {
    for (let y = 0; y < to; y++) {
      for (let x = 0; x < to; x++) {
        let sum = bias[o]!;
        for (let i = 0; i < c; i++) {
          for (let ky = 0; ky < kernel; ky++) {
            for (let kx = 0; kx < kernel; kx++) {
              const [row, column] = [y * stride - pad + ky, x * stride - pad + kx];
              if (row < 0 || column < 0 || row >= side || column >= side) continue;
              sum += weight[((o * c + i) * kernel + ky) * kernel + kx]! *
                data[(i * side + row) * side + column]!;
            }
          }
        }
        out[(o * to + y) * to + x] = Math.max(0, sum);
      }
    }
  }
  return { c: channels, side: to, data: out };
}

function pool({ c, side, data }: Map3, size: number, stride: number): Map3 {
  const to = Math.floor((side - size) / stride) + 1;
  const out = new Float64Array(c * to * to).fill(-Infinity);
  for (let i = 0; i < out.length; i++) {
    const [plane, y, x] = [Math.floor(i / to ** 2), Math.floor(i / to) % to, i % to];
    for (let k = 0; k < size * size; k++) {
      const row = y * stride + Math.floor(k / size);
      const at = (plane * side + row) * side + x * stride + k % size;
      out[i] = Math.max(out[i]!, data[at]!);
    }
  }
  return { c, side: to, data: out };
}

function unit({ c, side, data }: Map3): Map3 {
  const plane = side * side;
  const out = data.slice();
  for (let p = 0; p < plane; p++) {
    let squares = 0;
    for (let k = 0; k < c; k++) squares += data[k * plane + p]! ** 2;
    for (let k = 0; k < c; k++) out[k * plane + p]! /= Math.sqrt(squares) + 1e-10;
  }
  return { c, side, data: out };
}
