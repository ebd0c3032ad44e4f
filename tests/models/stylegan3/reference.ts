/** What made-up generators should give, in float64, by the formulas as the paper gives them. */
import {
  architecture,
  type Dimensions,
  type Layer,
  mappingNames,
} from "../../../models/stylegan3/architecture.ts";
import { settingsOf } from "../../../models/stylegan3/settings.ts";
import {
  correlate,
  linearLayer,
  type Map3,
  referenceW,
  type Tensors,
} from "../stylegan2/made_up.ts";

/** w `[wSize]` and image `[3, r, r]` of one z. */
export function referenceImage(tensors: Tensors, dimensions: Dimensions, z: ArrayLike<number>) {
  const a = architecture(dimensions, settingsOf(undefined, ""));
  const w = referenceW(tensors, mappingNames(a), z);
  const x = a.layers.reduce(
    (x, layer) => filtered(tensors, layer, modulated(tensors, layer, x, w)),
    waves(tensors, a, w),
  );
  return { w, image: x.data.map((value) => value * a.outputScale) };
}

function waves(
  tensors: Tensors,
  { input }: ReturnType<typeof architecture>,
  w: Float64Array,
): Map3 {
  const get = (name: string) => tensors.get(`synthesis.input.${name}`)!.data;
  const { channels, size, rate, bandwidth } = input;
  const t = linearLayer(tensors, "synthesis.input.affine", w, 1);
  const [c, s, x, y] = [...t].map((value) => value / Math.hypot(t[0]!, t[1]!)) as Four;
  const motion = product(product([c, -s, 0, s, c, 0, 0, 0, 1], [1, 0, -x, 0, 1, -y, 0, 0, 1]), [
    ...get("transform"),
  ]);
  const [freqs, phases, weight] = [get("freqs"), get("phases"), get("weight")];
  const features = Array.from({ length: channels }, (_, k) => {
    const [fx, fy] = [freqs[2 * k]!, freqs[2 * k + 1]!];
    const [gx, gy, shift] = [0, 1, 2].map((col) => fx * motion[col]! + fy * motion[3 + col]!);
    const fade = (Math.hypot(gx!, gy!) - bandwidth) / (rate / 2 - bandwidth);
    const amplitude = Math.min(1, Math.max(0, 1 - fade));
    const place = (i: number) => (i + 0.5 - size / 2) / rate;
    return Float64Array.from({ length: size * size }, (_, at) => {
      const turns = gx! * place(at % size) + gy! * place(Math.floor(at / size));
      return amplitude * Math.sin(2 * Math.PI * (turns + phases[k]! + shift!));
    });
  });
  const data = Float64Array.from({ length: channels * size * size }, (_, at) => {
    const [o, pixel] = [Math.floor(at / size ** 2), at % size ** 2];
    const sum = features.reduce((sum, f, k) => sum + weight[o * channels + k]! * f[pixel]!, 0);
    return sum / Math.sqrt(channels);
  });
  return { channels, side: size, data };
}

type Four = [number, number, number, number];

/** Of two 3x3 matrices. */
function product(a: readonly number[], b: readonly number[]): number[] {
  return Array.from(
    { length: 9 },
    (_, i) =>
      [0, 1, 2].reduce((sum, k) => sum + a[3 * Math.floor(i / 3) + k]! * b[3 * k + i % 3]!, 0),
  );
}

const meanSquare = (values: ArrayLike<number>) =>
  Array.from(values).reduce((sum, x) => sum + x * x, 0) / values.length;

/** Convolved by weights that are brought to unit mean square, modulated and brought to unit norm. */
function modulated(tensors: Tensors, layer: Layer, x: Map3, w: Float64Array): Map3 {
  const { name, inChannels, outChannels, kernel } = layer;
  const get = (part: string) => tensors.get(`synthesis.${name}.${part}`)!.data;
  const size = inChannels * kernel ** 2;
  const isRgb = layer.upFilter === null;
  const raw = linearLayer(tensors, `synthesis.${name}.affine`, w, 1);
  const styles = raw.map((s) => isRgb ? s / Math.sqrt(size) : s / Math.sqrt(meanSquare(raw)));
  const weight = Float64Array.from(get("weight"));
  for (let o = 0; o < outChannels; o++) {
    const own = weight.subarray(o * size, (o + 1) * size);
    const before = isRgb ? 1 : 1 / Math.sqrt(meanSquare(own));
    own.forEach((v, i) => own[i] = v * before * styles[Math.floor(i / kernel ** 2)]!);
    const after = isRgb ? 1 : 1 / Math.sqrt(meanSquare(own) * size + 1e-8);
    own.forEach((v, i) => own[i] = v * after / Math.sqrt(get("magnitude_ema")[0]!));
  }
  const y = correlate(x, weight, outChannels, kernel, kernel - 1);
  const bias = get("bias");
  y.data.forEach((v, i) => y.data[i] = v + bias[Math.floor(i / y.side ** 2)]!);
  return y;
}

/** Upsampled, activated and downsampled, plane by plane. */
function filtered(tensors: Tensors, layer: Layer, x: Map3): Map3 {
  const { name, up, down, pad: [before, after], upFilter } = layer;
  const clamp = (v: number) => Math.min(256, Math.max(-256, v));
  if (upFilter === null) return { ...x, data: x.data.map(clamp) };
  const [fu, fd] = ["up_filter", "down_filter"].map((part) =>
    turnedPlane(tensors.get(`synthesis.${name}.${part}`)!)
  );
  const planes = Array.from({ length: x.channels }, (_, c): Map3 => {
    const side = x.side * up + before + after;
    const spread: Map3 = { channels: 1, side, data: new Float64Array(side * side) };
    for (let at = 0; at < x.side ** 2; at++) {
      const [row, col] = [Math.floor(at / x.side), at % x.side].map((i) => i * up + before);
      if (Math.min(row!, col!) < 0 || Math.max(row!, col!) >= side) continue;
      spread.data[row! * side + col!] = x.data[c * x.side ** 2 + at]! * up ** 2;
    }
    const fine = correlate(spread, fu!.data, 1, fu!.side, 0);
    fine.data.forEach((v, i) => fine.data[i] = clamp(Math.SQRT2 * (v > 0 ? v : 0.2 * v)));
    return correlate(fine, fd!.data, 1, fd!.side, 0);
  });
  const kept = Math.ceil(planes[0]!.side / down);
  const data = Float64Array.from({ length: x.channels * kept ** 2 }, (_, at) => {
    const { side, data } = planes[Math.floor(at / kept ** 2)]!;
    return data[down * (Math.floor(at / kept) % kept) * side + down * (at % kept)]!;
  });
  return { channels: x.channels, side: kept, data };
}

/** A filter over the plane, turned around: convolving is correlating with that. */
function turnedPlane({ shape, data }: { shape: number[]; data: Float32Array }) {
  const side = shape[0]!;
  const plane = shape.length === 2
    ? Float64Array.from(data)
    : Float64Array.from({ length: side ** 2 }, (_, i) =>
      data[Math.floor(i / side)]! * data[i % side]!);
  return { side, data: plane.reverse() };
}
