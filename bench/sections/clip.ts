/** CLIP's image tower: features, and the gradient of the image. */
import { grad } from "../../lib/graph/grad.ts";
import { mean, square } from "../../lib/graph/ops/mod.ts";
import { input } from "../../lib/graph/tensor.ts";
import type { Case } from "../case.ts";
import { demoVit, modelFilling, tower, type Vit, vitB } from "../models.ts";

export async function clipCases(large: boolean): Promise<Case[]> {
  const demo = await demoVit();
  return [
    ...bothWays("demo", demo, 64, 4),
    ...bothWays("ViT-B/32", vitB(32), 256, 2),
    ...(large ? bothWays("ViT-B/16", vitB(16), 256, 2) : []),
  ];
}

/** For images of `resolution`. */
function bothWays(title: string, vit: Vit, resolution: number, batch: number): Case[] {
  const shape = [batch, 3, resolution, resolution];
  const features = () => {
    const image = input("image", shape);
    return { image, features: tower(vit, "clip0").imageFeatures(image) };
  };
  const common = { filling: modelFilling, clock: "host", images: batch } as const;
  const peer = { kind: "clip", vit };
  const name = `${title}, ${batch} images of ${resolution}`;
  return [
    {
      ...common,
      name: `${name}: features`,
      program: () => ({ outputs: { features: features().features } }),
      result: "features",
      peer: { ...peer, gradient: false },
    },
    {
      ...common,
      name: `${name}: features and gradient`,
      program() {
        const { image, features: seen } = features();
        const [gradient] = grad(mean(square(seen)), [image]);
        return { outputs: { gradient: gradient! } };
      },
      result: "gradient",
      peer: { ...peer, gradient: true },
    },
  ];
}
