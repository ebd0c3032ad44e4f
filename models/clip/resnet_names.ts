/** What the tensors of CLIP's ResNet image tower are called, here and in OpenAI's files. */
import type { Place } from "./names.ts";

/** A convolution and the batch norm behind it: the name here, the shape, both names in the file. */
type Row = readonly [name: string, shape: string, convolution: string, norm: string];

const STEM: readonly Row[] = [
  ["stem.0", "half 3 3 3", "conv1", "bn1"],
  ["stem.1", "half half 3 3", "conv2", "bn2"],
  ["stem.2", "2*half half 3 3", "conv3", "bn3"],
];

const BLOCK: readonly Row[] = [
  ["reduce", "inner in 1 1", "conv1", "bn1"],
  ["middle", "inner inner 3 3", "conv2", "bn2"],
  ["expand", "out inner 1 1", "conv3", "bn3"],
];

/** Only the first block of a layer has one: in the others, what goes in is added as it is. */
const SHORTCUT: Row = ["shortcut", "out in 1 1", "downsample.0", "downsample.1"];

// Keys have a bias in the file, which changes nothing: see `attentionPool`.
const POOL: readonly (readonly [name: string, shape: string, openai: string])[] = [
  ["pool.position", "positions 64*half", "positional_embedding"],
  ["pool.q.weight", "64*half 64*half", "q_proj.weight"],
  ["pool.q.bias", "64*half", "q_proj.bias"],
  ["pool.k.weight", "64*half 64*half", "k_proj.weight"],
  ["pool.v.weight", "64*half 64*half", "v_proj.weight"],
  ["pool.v.bias", "64*half", "v_proj.bias"],
  ["pool.out.weight", "features 64*half", "c_proj.weight"],
  ["pool.out.bias", "features", "c_proj.bias"],
];

const LAYERS = 4;

/** All weights, given how many blocks each layer has; the first part to name a size defines it. */
export function resnetPlaces(layers: readonly number[]): Place[] {
  return [
    ...STEM.flatMap((row) => placesOf(row)),
    ...layers.flatMap((blocks, layer) => {
      const out = 8 * 2 ** layer;
      // A layer reads what the one before gives, the first reads the stem.
      const first = layer === 0 ? 2 : out / 2;
      return Array.from({ length: blocks }, (_, i) => {
        const sizes = {
          inner: `${out / 4}*half`,
          in: `${i === 0 ? first : out}*half`,
          out: `${out}*half`,
        };
        return (i === 0 ? [...BLOCK, SHORTCUT] : BLOCK).flatMap((row) =>
          placesOf(row, sizes, `layers.${layer}.${i}.`, `layer${layer + 1}.${i}.`)
        );
      }).flat();
    }),
    ...POOL.map(([name, axes, openai]): Place => {
      const shape = axes.split(" ");
      return {
        name,
        shape,
        make: "joined",
        parts: [{ name: `visual.attnpool.${openai}`, shape }],
      };
    }),
  ];
}

/** How many blocks with different numbers each layer has among these names. */
export function countLayers(names: Iterable<string>): number[] {
  const numbers = Array.from({ length: LAYERS }, () => new Set<string>());
  for (const name of names) {
    const [, layer, block] = /^visual\.layer(\d+)\.(\d+)\./.exec(name) ?? [];
    if (layer && block) numbers[Number(layer) - 1]?.add(block);
  }
  return numbers.map((blocks) => blocks.size);
}

/** The weight and the bias of a convolution with its norm folded in. */
function placesOf(
  [name, axes, convolution, norm]: Row,
  sizes: Readonly<Record<string, string>> = {},
  prefix = "",
  filePrefix = "",
): Place[] {
  const shape = axes.split(" ").map((axis) => sizes[axis] ?? axis);
  const channels = shape.slice(0, 1);
  const ofNorm = (value: string) => ({
    name: `visual.${filePrefix}${norm}.${value}`,
    shape: channels,
  });
  const scale = [ofNorm("weight"), ofNorm("running_var")];
  return [
    {
      name: `${prefix}${name}.weight`,
      shape,
      make: "scaled",
      parts: [{ name: `visual.${filePrefix}${convolution}.weight`, shape }, ...scale],
    },
    {
      name: `${prefix}${name}.bias`,
      shape: channels,
      make: "shifted",
      parts: [ofNorm("bias"), ofNorm("running_mean"), ...scale],
    },
  ];
}
