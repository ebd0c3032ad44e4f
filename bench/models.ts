/** The models that are measured: real shapes, made-up weights. */
import { openCheckpoint } from "../lib/checkpoint/mod.ts";
import { type Shape, state, type Tensor } from "../lib/graph/tensor.ts";
import { clipPath, generatorPath } from "../models/catalog.ts";
import type { VitArchitecture } from "../models/clip/architecture.ts";
import { imageStages } from "../models/clip/image.ts";
import { type ImageTower, openClipFile, preprocess } from "../models/clip/mod.ts";
import { towerPlaces } from "../models/clip/names.ts";
import { outlineGenerator } from "../models/generator/families.ts";
import { type Architecture, architecture } from "../models/stylegan2/architecture.ts";
import { type Filling, NORMAL } from "./case.ts";

/** StyleGAN2's configuration F, the one that published checkpoints have. */
export function configF(resolution: number): Architecture {
  const blocks = Math.log2(resolution) - 1;
  const channels = Array.from({ length: blocks }, (_, k) => Math.min(512, 2 ** (13 - k)));
  return architecture({ zSize: 512, wSize: 512, mappingDepth: 8, channels });
}

export async function demoGenerator(): Promise<Architecture> {
  using checkpoint = await openCheckpoint(generatorPath("demo"));
  const { architecture: a } = outlineGenerator(checkpoint);
  if (a.family !== "stylegan2") throw new TypeError(`Cannot measure a ${a.family} as the demo`);
  return a;
}

/** A vision transformer and the length of its features. */
export interface Vit extends VitArchitecture {
  readonly features: number;
}

/** CLIP's ViT-B with patches of this side, as OpenAI published it. */
export function vitB(patchSize: number): Vit {
  return {
    kind: "vit",
    imageSize: 224,
    patchSize,
    width: 768,
    hidden: 3072,
    blocks: 12,
    heads: 12,
    activation: "quick_gelu",
    epsilon: 1e-5,
    features: 512,
  };
}

export async function demoVit(): Promise<Vit> {
  using file = await openClipFile(clipPath("demo"));
  const { image, features } = file.architecture;
  if (image.kind !== "vit") throw new TypeError("Cannot measure the demo's CLIP: it is no ViT");
  return { ...image, features };
}

/** The image tower with leaves of its own, `${prefix}/blocks.0.qkv.weight` and so on. */
export function tower(vit: Vit, prefix: string): ImageTower {
  const sizes: Record<string, number> = {
    width: vit.width,
    hidden: vit.hidden,
    positions: (vit.imageSize / vit.patchSize) ** 2 + 1,
    features: vit.features,
    patch: vit.patchSize,
  };
  const size = (axis: string) =>
    axis.split("*").reduce((product, factor) => product * (sizes[factor] ?? Number(factor)), 1);
  const leaves = new Map<string, Tensor>(
    towerPlaces("openai", "image", vit.blocks).map(({ name, shape }) => {
      const leaf = state(`${prefix}/${name}`, shape.map(size));
      return [name, leaf];
    }),
  );
  return {
    imageFeatures: (image, variant = "bicubic") =>
      imageStages((name) => leaves.get(name)!, vit, preprocess(image, vit.imageSize, variant))
        .features,
  };
}

/** Values that keep activations of generators and transformers near 1, by the tensor's last name. */
export function modelFilling(name: string, shape: Shape): Filling {
  const zero = { scale: 0, offset: 0 };
  if (/latent_avg$|noise\.weight$|^moment\//.test(name)) return zero;
  if (/modulation\.bias$/.test(name)) return { scale: 0, offset: 1 };
  if (/norm\w*\.weight$|norm_\w+\.weight$/.test(name)) return { scale: 0.1, offset: 1 };
  if (/bias$|class$|position$/.test(name)) return { scale: 0.05, offset: 0 };
  if (/^clip/.test(name)) {
    const fanIn = /projection$/.test(name)
      ? shape[0]!
      : shape.slice(1).reduce((product, length) => product * length, 1);
    return { scale: 1 / Math.sqrt(fanIn), offset: 0 };
  }
  return /style\.\d+\.weight$/.test(name) ? { scale: 100, offset: 0 } : NORMAL;
}
