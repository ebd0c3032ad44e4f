/** What `nada inspect` says of generators. */
import type { GeneratorOutline } from "../models/generator/families.ts";
import type { Architecture as Stylegan2 } from "../models/stylegan2/architecture.ts";
import type { Architecture as Stylegan3 } from "../models/stylegan3/architecture.ts";
import { counted, type Field } from "./layout.ts";

const LAYOUTS = {
  rosinality: "rosinality's layout",
  nvidia: "NVIDIA's layout",
  tensorflow: "the layout of NVIDIA's code for TensorFlow",
};

export function generatorTitle(outline: GeneratorOutline): string {
  return "layout" in outline
    ? `StyleGAN2 generator in ${LAYOUTS[outline.layout]}`
    : "StyleGAN3 generator in NVIDIA's layout";
}

export function generatorFields(outline: GeneratorOutline): Field[] {
  const { architecture: a, hasLatentAvg, classes } = outline;
  return [
    ["Image", `${a.resolution}x${a.resolution}`],
    ["Latents", `z ${a.zSize}, w ${a.wSize}, w+ ${a.wCount}x${a.wSize}`],
    ...(classes > 0 ? [["Classes", `${classes}, for --class 0 to ${classes - 1}`] as const] : []),
    ["Mapping", counted(a.mappingDepth, "layer")],
    ...(a.family === "stylegan2" ? stylegan2Fields(a) : stylegan3Fields(a)),
    ["Mean w", hasLatentAvg ? "stored" : "not stored, estimated from 4,096 samples when needed"],
    ...("hasNoises" in outline ? [noiseField(outline.hasNoises)] : []),
  ];
}

function stylegan2Fields({ channels, convs, rgbs, limit }: Stylegan2): Field[] {
  return [
    [
      "Synthesis",
      `${counted(convs.length, "convolution")}, ${counted(rgbs.length, "layer")} to RGB`,
    ],
    ["Channels", channels.map((count, block) => `${count} at ${4 * 2 ** block}`).join(", ")],
    ...(limit === null ? [] : [limitField(limit)]),
  ];
}

function limitField(limit: number | null): Field {
  return ["Limit", limit === null ? "none on activations" : `${limit} on activations`];
}

function noiseField(stored: boolean): Field {
  return ["Noise", stored ? "stored" : "not stored, drawn from a fixed seed when needed"];
}

function stylegan3Fields({ layers, input, limit }: Stylegan3): Field[] {
  const filtered = layers.slice(0, -1);
  const kernels = [...new Set(filtered.map(({ kernel }) => `${kernel}x${kernel}`))].join(" and ");
  const filters = filtered.some(({ downFilter }) => downFilter?.length === 2)
    ? "radial filters (as configuration R)"
    : "separable filters (as configuration T)";
  // Margins included: neighbours of one size share a mention of it.
  const sizes = [...new Set(layers.map(({ outSize }) => outSize))];
  const channels = sizes.map((size) => {
    const counts = layers.filter(({ outSize }) => outSize === size);
    return `${counts.map(({ outChannels }) => outChannels).join(" ")} at ${size}`;
  });
  return [
    [
      "Synthesis",
      `${counted(filtered.length, "convolution")} of ${kernels}, ${filters}, 1 layer to RGB`,
    ],
    ["Input", `${input.channels} waves at ${input.size}x${input.size}`],
    ["Channels", channels.join(", ")],
    limitField(limit),
  ];
}
