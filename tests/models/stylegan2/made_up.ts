/** Generators with random weights, and what they should give, in float64. */
import type { TensorSource } from "../../../models/generator/generator.ts";
import {
  architecture,
  type Dimensions,
  kernelNames,
  noiseShapes,
  parameterShapes,
  UPSAMPLING_KERNEL,
} from "../../../models/stylegan2/architecture.ts";
import { numel, type Shape } from "../../../lib/graph/tensor.ts";
import { normals, seededRandom } from "../../gpu.ts";

export type Tensors = Map<string, { shape: number[]; data: Float32Array<ArrayBuffer> }>;

/** Every tensor of a checkpoint but "latent_avg"; all normal, and nothing left at its initial 0. */
export function madeUpTensors(dimensions: Dimensions, seed: number): Tensors {
  const random = seededRandom(seed);
  const a = architecture(dimensions);
  const tensors: Tensors = new Map();
  const add = (name: string, shape: Shape) => {
    const scale = name.startsWith("style") ? 100 : 1;
    const data = normals(numel(shape), random).map((x) => x * scale);
    tensors.set(name, { shape: [...shape], data });
  };
  parameterShapes(a).forEach((shape, name) => add(name, shape));
  noiseShapes(a).forEach((shape, name) => add(name, shape));
  for (const name of kernelNames(a)) {
    tensors.set(name, { shape: [4, 4], data: UPSAMPLING_KERNEL });
  }
  return tensors;
}

/** The same as an open checkpoint. */
export function asSource(tensors: Tensors, prefix = ""): TensorSource {
  const entries = tensors.entries().map(([name, { shape, data }]) => {
    const full = name === "latent_avg" ? name : `${prefix}${name}`;
    return [full, { shape, read: () => Promise.resolve(data.slice()) }] as const;
  });
  return { file: "made up", tensors: new Map(entries) };
}

/** A feature map of one sample, `[channels, side, side]`. */
export interface Map3 {
  channels: number;
  side: number;
  data: Float64Array;
}

/**
 * w `[wSize]` and image `[3, r, r]` of one z in float64, by the formulas as the paper gives them: a
 * modulated weight for the sample, zero insertion, one tap at a time.
 */
export function referenceImage(tensors: Tensors, dimensions: Dimensions, z: ArrayLike<number>) {
  const a = architecture(dimensions);
  const get = (name: string) => tensors.get(name)!.data;
  const lrelu = (x: number) => Math.SQRT2 * (x > 0 ? x : 0.2 * x);

  const linear = (name: string, x: ArrayLike<number>) => linearLayer(tensors, name, x, 1);
  const layers = Array.from({ length: a.mappingDepth }, (_, k) => `style.${k + 1}`);
  const w = referenceW(tensors, layers, z);

  const modulated = (name: string, x: Map3, outputs: number, k: number, up: boolean): Map3 => {
    const s = linear(`${name}.conv.modulation`, w);
    const size = x.channels * k * k;
    const weight = Float64Array.from(
      get(`${name}.conv.weight`),
      (v, i) => v * s[Math.floor(i % size / (k * k))]! / Math.sqrt(size),
    );
    if (k > 1) {
      for (let o = 0; o < outputs; o++) {
        const own = weight.subarray(o * size, (o + 1) * size);
        const d = 1 / Math.sqrt(own.reduce((sum, v) => sum + v * v, 1e-8));
        own.forEach((v, i) => own[i] = v * d);
      }
    }
    if (!up) return correlate(x, weight, outputs, k, (k - 1) / 2);
    // A transposed convolution is a convolution of the spread image with the turned weight.
    const turned = weight.map((_, i) => weight[i - i % (k * k) + k * k - 1 - i % (k * k)]!);
    return lowPass(correlate(spread(x, 2 * x.side - 1), turned, outputs, k, k - 1), 1);
  };

  let x: Map3 = { channels: a.channels[0]!, side: 4, data: Float64Array.from(get("input.input")) };
  let image: Map3 | undefined;
  for (const { name: rgbName, resolution } of a.rgbs) {
    for (const { name, outChannels, index, up } of a.convs) {
      if (a.convs[index]!.resolution !== resolution) continue;
      const y = modulated(name, x, outChannels, 3, up);
      const strength = get(`${name}.noise.weight`)[0]!;
      const [noise, bias] = [get(`noises.noise_${index}`), get(`${name}.activate.bias`)];
      const area = y.side ** 2;
      y.data.forEach((v, i) =>
        y.data[i] = lrelu(v + strength * noise[i % area]! + bias[Math.floor(i / area)]!)
      );
      x = y;
    }
    const rgb = modulated(rgbName, x, 3, 1, false);
    const skip = image && lowPass(spread(image, 2 * image.side), 2);
    const bias = get(`${rgbName}.bias`);
    rgb.data.forEach((v, i) =>
      rgb.data[i] = v + bias[Math.floor(i / rgb.side ** 2)]! + (skip?.data[i] ?? 0)
    );
    image = rgb;
  }
  return { w, image: image!.data };
}

/** w of one z by the mapping network's layers of these names. */
export function referenceW(tensors: Tensors, layers: readonly string[], z: ArrayLike<number>) {
  const norm = Math.sqrt(Array.from(z).reduce((sum, x) => sum + x * x, 0) / z.length + 1e-8);
  let w = Float64Array.from(z, (x) => x / norm);
  for (const name of layers) {
    w = linearLayer(tensors, name, w, 0.01).map((x) => Math.SQRT2 * (x > 0 ? x : 0.2 * x));
  }
  return w;
}

/** A layer whose weights are stored with unit variance, or larger where it learns slower. */
export function linearLayer(tensors: Tensors, name: string, x: ArrayLike<number>, lr: number) {
  const [weight, bias] = [`${name}.weight`, `${name}.bias`].map((full) => tensors.get(full)!.data);
  return Float64Array.from(bias!, (b, o) => {
    let total = 0;
    for (let i = 0; i < x.length; i++) total += x[i]! * weight![o * x.length + i]!;
    return total * lr / Math.sqrt(x.length) + b * lr;
  });
}

/** y[o, p] = Σ over i, k of weight[o, i, k] x[i, p + k - pad]. */
export function correlate(
  x: Map3,
  weight: Float64Array,
  outputs: number,
  k: number,
  pad: number,
): Map3 {
  const side = x.side + 2 * pad - k + 1;
  const data = new Float64Array(outputs * side * side);
  data.forEach((_, at) => {
    const [o, row, col] = [Math.floor(at / side ** 2), Math.floor(at / side) % side, at % side];
    let total = 0;
    for (let i = 0; i < x.channels; i++) {
      for (let tap = 0; tap < k * k; tap++) {
        const [y, xx] = [row + Math.floor(tap / k) - pad, col + tap % k - pad];
        if (y < 0 || xx < 0 || y >= x.side || xx >= x.side) continue;
        total += weight[(o * x.channels + i) * k * k + tap]! *
          x.data[(i * x.side + y) * x.side + xx]!;
      }
    }
    data[at] = total;
  });
  return { channels: outputs, side, data };
}

/** Every sample at twice its place, zeros between. */
function spread(x: Map3, side: number): Map3 {
  const data = new Float64Array(x.channels * side * side);
  x.data.forEach((v, at) => {
    const [c, row, col] = [
      Math.floor(at / x.side ** 2),
      Math.floor(at / x.side) % x.side,
      at % x.side,
    ];
    data[(c * side + 2 * row) * side + 2 * col] = v;
  });
  return { channels: x.channels, side, data };
}

/** [1, 3, 3, 1] along both axes, 4 in sum, with `before` zeros in front and 1 behind. */
function lowPass(x: Map3, before: number): Map3 {
  const planes = Array.from({ length: x.channels }, (_, c) => {
    const padded = surrounded(x, c, before);
    return correlate(padded, Float64Array.from(UPSAMPLING_KERNEL), 1, 4, 0).data;
  });
  const side = x.side + before + 1 - 3;
  const data = new Float64Array(x.channels * side * side);
  planes.forEach((plane, c) => data.set(plane, c * side * side));
  return { channels: x.channels, side, data };
}

/** One channel with zeros around it. */
function surrounded(x: Map3, channel: number, before: number): Map3 {
  const side = x.side + before + 1;
  const data = new Float64Array(side * side);
  for (let row = 0; row < x.side; row++) {
    for (let col = 0; col < x.side; col++) {
      data[(row + before) * side + col + before] = x.data[(channel * x.side + row) * x.side + col]!;
    }
  }
  return { channels: 1, side, data };
}
