/** Generators: an image of each resolution, and the gradients of all weights. */
import { grad } from "../../lib/graph/grad.ts";
import { mean, square } from "../../lib/graph/ops/mod.ts";
import { input, type Tensor } from "../../lib/graph/tensor.ts";
import { generatorOf } from "../../models/generator/families.ts";
import { leavesOf, type Parameters } from "../../models/generator/generator.ts";
import { broadcastW } from "../../models/generator/styles.ts";
import type { Architecture } from "../../models/stylegan2/architecture.ts";
import type { Case } from "../case.ts";
import { configF, demoGenerator, modelFilling } from "../models.ts";

export async function generatorCases(large: boolean): Promise<Case[]> {
  const resolutions = large ? [64, 128, 256, 512, 1024] : [64, 128, 256];
  return [
    ...bothWays("demo", await demoGenerator(), 4),
    ...resolutions.flatMap((resolution) => bothWays("config F", configF(resolution), 1)),
  ];
}

function bothWays(title: string, a: Architecture, batch: number): Case[] {
  const name = `${title} at ${a.resolution}, batch ${batch}`;
  const common = { filling: modelFilling, clock: "host", images: batch } as const;
  const peer = { kind: "generator", architecture: a, batch };
  return [
    {
      ...common,
      name: `${name}: forward`,
      program: () => ({ outputs: { image: draw(a, batch).image } }),
      result: "image",
      peer: { ...peer, backward: false },
    },
    {
      ...common,
      name: `${name}: forward and backward`,
      program() {
        const { image, parameters } = draw(a, batch);
        const trained = generatorOf(a).defaultLayers
          .flatMap((layer) => generatorOf(a).layers.get(layer)!);
        const gradients = grad(mean(square(image)), trained.map((name) => parameters[name]!));
        return {
          outputs: Object.fromEntries(trained.map((name, i) => [name, gradients[i]!])),
        };
      },
      result: "conv1.conv.weight",
      peer: { ...peer, backward: true },
    },
  ];
}

/** Latents to images, with the noise of the checkpoint. */
export function draw(
  a: Architecture,
  batch: number,
): { image: Tensor; parameters: Parameters } {
  const generator = generatorOf(a);
  const parameters = leavesOf(generator);
  const w = generator.mapping(parameters, input("z", [batch, a.zSize]));
  const { image } = generator.synthesis(parameters, broadcastW(a, w), { mode: "const" });
  return { image, parameters };
}
