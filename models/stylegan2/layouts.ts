/**
 * What the tensors of a generator are called in the files that it comes in, and how they differ from
 * those here, whose names and shapes are rosinality's.
 */
import type { Shape } from "../../lib/graph/tensor.ts";
import type { SourceTensor, TensorSource } from "../generator/generator.ts";
import {
  architecture,
  type ConvLayer,
  kernelNames,
  noiseShapes,
  parameterShapes,
  type RgbLayer,
} from "./architecture.ts";

/** "nvidia" is the code for PyTorch, both of stylegan2-ada-pytorch and of stylegan3. */
export type Layout = "rosinality" | "nvidia" | "tensorflow";

/** The mean w, which in rosinality's files stands beside "g_ema" and not in it. */
export const MEAN = "latent_avg";

/** The layer in front of the mapping network that makes a vector of a class. */
export const EMBED = "embed";

/** How a tensor becomes the one here: its shape, and its values where they are others. */
interface Change {
  shape(shape: Shape): Shape;
  values?(data: Float32Array, shape: Shape): Float32Array<ArrayBuffer>;
}

/** One tensor in a file: the name, and the change. */
type Place = readonly [name: string, change: Change];

const SAME: Change = { shape: (shape) => shape };
/** More axes of size 1 in front. */
const axes = (...ones: 1[]): Change => ({ shape: (shape) => [...ones, ...shape] });
/** `[c]` to `[1, c, 1, 1]`. */
const CHANNELS: Change = { shape: (shape) => [1, ...shape, 1, 1] };
const TRANSPOSED: Change = {
  shape: (shape) => shape.toReversed(),
  values: (data, [rows, columns]) =>
    Float32Array.from(data, (_, i) => data[(i % rows!) * columns! + Math.floor(i / rows!)]!),
};
/** A bias to which the code adds 1 in use. */
const PLUS_ONE: Change = { ...SAME, values: (data) => Float32Array.from(data, (x) => x + 1) };
/** Insertion of zeros takes away what a filter of sum 1 would keep; here the filter gives it back. */
const FOURFOLD: Change = { ...SAME, values: (data) => Float32Array.from(data, (x) => 4 * x) };

/** A convolution's weight `[height, width, in, out]` to `[1, out, in, height, width]`. */
function kernel({ flipped }: { flipped: boolean }): Change {
  return {
    shape: (shape) => shape.length === 4 ? [1, ...[3, 2, 0, 1].map((axis) => shape[axis]!)] : shape,
    values(data, [height, width, inputs, outputs]) {
      const out = new Float32Array(data.length);
      const cells = height! * width!;
      for (let o = 0, at = 0; o < outputs!; o++) {
        for (let i = 0; i < inputs!; i++) {
          for (let cell = 0; cell < cells; cell++) {
            const from = flipped ? cells - 1 - cell : cell;
            out[at++] = data[(from * inputs! + i) * outputs! + o]!;
          }
        }
      }
      return out;
    },
  };
}

/** One tensor: its name here, and where the two layouts of NVIDIA's have it. */
type Row = readonly [here: string, nvidia: Place, tensorflow: Place | null];

const ROOT_ROWS: readonly Row[] = [
  ["input.input", ["synthesis.b4.const", axes(1)], ["synthesis.4x4/Const/const", SAME]],
  [MEAN, ["mapping.w_avg", SAME], ["dlatent_avg", SAME]],
  // Where its images are of classes.
  [
    `${EMBED}.weight`,
    ["mapping.embed.weight", SAME],
    ["mapping.LabelEmbed/weight", TRANSPOSED],
  ],
  [`${EMBED}.bias`, ["mapping.embed.bias", SAME], ["mapping.LabelEmbed/bias", SAME]],
];

/** The layer of the mapping network that is the `k`-th from 0 on. */
function denseRows(k: number): Row[] {
  const [nvidia, tensorflow] = [`mapping.fc${k}`, `mapping.Dense${k}`];
  return [
    [`style.${k + 1}.weight`, [`${nvidia}.weight`, SAME], [`${tensorflow}/weight`, TRANSPOSED]],
    [`style.${k + 1}.bias`, [`${nvidia}.bias`, SAME], [`${tensorflow}/bias`, SAME]],
  ];
}

function modulatedRows(here: string, nvidia: string, tensorflow: string, flipped: boolean): Row[] {
  return [
    [
      `${here}.conv.weight`,
      [`${nvidia}.weight`, axes(1)],
      [`${tensorflow}/weight`, kernel({ flipped })],
    ],
    [
      `${here}.conv.modulation.weight`,
      [`${nvidia}.affine.weight`, SAME],
      [`${tensorflow}/mod_weight`, TRANSPOSED],
    ],
    [
      `${here}.conv.modulation.bias`,
      [`${nvidia}.affine.bias`, SAME],
      [`${tensorflow}/mod_bias`, PLUS_ONE],
    ],
  ];
}

function convRows({ name, resolution: r, up, index }: ConvLayer): Row[] {
  const nvidia = `synthesis.b${r}.conv${up ? 0 : 1}`;
  const tensorflow = `synthesis.${r}x${r}/Conv${r === 4 ? "" : up ? "0_up" : "1"}`;
  const rows: Row[] = [
    // The code for TensorFlow turns kernels that upsample by half a turn before it uses them.
    ...modulatedRows(name, nvidia, tensorflow, up),
    [
      `${name}.noise.weight`,
      [`${nvidia}.noise_strength`, axes(1)],
      [`${tensorflow}/noise_strength`, axes(1)],
    ],
    [`${name}.activate.bias`, [`${nvidia}.bias`, SAME], [`${tensorflow}/bias`, SAME]],
    [
      `noises.noise_${index}`,
      [`${nvidia}.noise_const`, axes(1, 1)],
      [`synthesis.noise${index}`, SAME],
    ],
  ];
  if (up) {
    rows.push([`${name}.conv.blur.kernel`, [`${nvidia}.resample_filter`, FOURFOLD], null]);
  }
  return rows;
}

function rgbRows({ name, resolution: r }: RgbLayer): Row[] {
  const [nvidia, tensorflow] = [`synthesis.b${r}.torgb`, `synthesis.${r}x${r}/ToRGB`];
  const rows: Row[] = [
    ...modulatedRows(name, nvidia, tensorflow, false),
    [`${name}.bias`, [`${nvidia}.bias`, CHANNELS], [`${tensorflow}/bias`, CHANNELS]],
  ];
  if (r > 4) {
    rows.push([`${name}.upsample.kernel`, [`synthesis.b${r}.resample_filter`, FOURFOLD], null]);
  }
  return rows;
}

/** How a layout is recognised, and the parts counted that tell how deep a generator is. */
interface Marks {
  /** Names of which a generator has one. */
  readonly hallmarks: readonly string[];
  /** What may stand in front of all names; the first that does counts. */
  readonly prefixes: readonly string[];
  readonly dense: RegExp;
  readonly upConv: RegExp;
  /** Tensors without effect. */
  readonly idle: RegExp;
}

const MARKS: Readonly<Record<Layout, Marks>> = {
  rosinality: {
    hallmarks: ["conv1.conv.weight", "input.input"],
    prefixes: ["g_ema.", ""],
    dense: /^style\.\d+\.weight$/,
    upConv: /^convs\.\d*[02468]\.conv\.weight$/,
    idle: /^$/,
  },
  nvidia: {
    hallmarks: ["synthesis.b4.const", "synthesis.b4.conv1.weight"],
    prefixes: ["G_ema.", ""],
    dense: /^mapping\.fc\d+\.weight$/,
    upConv: /^synthesis\.b\d+\.conv0\.weight$/,
    // Every layer has a filter, also where it does not resample.
    idle: /\.resample_filter$/,
  },
  tensorflow: {
    // The first StyleGAN has the rest of the names as well.
    hallmarks: ["synthesis.4x4/Conv/mod_weight", "synthesis.4x4/Conv/mod_bias"],
    // G, D and Gs, the average of G, make a tuple; Gs may also be saved alone.
    prefixes: ["2.", ""],
    dense: /^mapping\.Dense\d+\/weight$/,
    upConv: /^synthesis\.\d+x\d+\/Conv0_up\/weight$/,
    idle: /^lod$/,
  },
};

/** The tensors of one generator. */
export interface Renamed {
  readonly layout: Layout;
  /** What stands in front of the names of its tensors and modules in the file. */
  readonly prefix: string;
  /** Under our names and in our shapes; what has no place here keeps its name. */
  readonly tensors: Map<string, SourceTensor>;
  /** The name in the file of one of ours. */
  fullName(name: string): string;
}

/** The generator in a file, whatever its layout; null if there is none. */
export function renamed(source: TensorSource): Renamed | null {
  for (const layout of Object.keys(MARKS) as Layout[]) {
    const { hallmarks, prefixes } = MARKS[layout];
    const prefix = prefixes.find((prefix) =>
      hallmarks.some((name) => source.tensors.has(prefix + name))
    );
    if (prefix !== undefined) return rename(source.tensors, layout, prefix);
  }
  return null;
}

function rename(all: TensorSource["tensors"], layout: Layout, prefix: string): Renamed {
  const { dense, upConv, idle } = MARKS[layout];
  const own = new Map(
    all.entries().filter(([name]) => name.startsWith(prefix))
      .map(([name, entry]) => [name.slice(prefix.length), entry]),
  );
  const count = (pattern: RegExp) =>
    own.keys().filter((name) => pattern.test(name)).toArray().length;
  // Where there is no mapping layer, looking for one makes the error name what is missing.
  const places = placesIn(layout, Math.max(1, count(dense)), count(upConv));
  // In a file of rosinality's training script the mean stands beside the generator.
  const fullName = (name: string) =>
    layout === "rosinality" && name === MEAN ? name : prefix + (places.get(name)?.[0] ?? name);

  const tensors = new Map<string, SourceTensor>();
  const used = new Set<string>();
  for (const [name, [, change]] of places) {
    const entry = all.get(fullName(name));
    if (entry) tensors.set(name, changed(entry, change));
    used.add(fullName(name));
  }
  for (const [name, entry] of own) {
    if (!used.has(prefix + name) && !idle.test(name)) tensors.set(name, entry);
  }
  return { layout, prefix, tensors, fullName };
}

function placesIn(layout: Layout, mappingDepth: number, blocks: number): Map<string, Place> {
  const channels = new Array<number>(blocks + 1).fill(1);
  const a = architecture({ zSize: 1, wSize: 1, mappingDepth, channels });
  if (layout === "rosinality") {
    const names = [...parameterShapes(a).keys(), ...noiseShapes(a).keys(), ...kernelNames(a), MEAN];
    return new Map(names.map((name) => [name, [name, SAME]]));
  }
  const rows = [
    ...ROOT_ROWS,
    ...Array.from({ length: mappingDepth }, (_, k) => denseRows(k)).flat(),
    ...a.convs.flatMap(convRows),
    ...a.rgbs.flatMap(rgbRows),
  ];
  return new Map(
    rows.flatMap(([here, nvidia, tensorflow]) => {
      const place = layout === "nvidia" ? nvidia : tensorflow;
      return place ? [[here, place] as const] : [];
    }),
  );
}

function changed(
  { shape, read, ...rest }: SourceTensor,
  { shape: reshape, values }: Change,
): SourceTensor {
  return {
    ...rest,
    shape: [...reshape(shape)],
    read: values ? async () => values(await read(), shape) : read,
  };
}
