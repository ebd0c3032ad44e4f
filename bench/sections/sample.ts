/** Images on the host, as `nada sample` gets them: many latents, one after the other. */
import type { Case } from "../case.ts";
import { configF, demoGenerator, modelFilling } from "../models.ts";
import type { Architecture } from "../../models/stylegan2/architecture.ts";
import { draw } from "./generator.ts";

export async function sampleCases(large: boolean): Promise<Case[]> {
  return [
    sampling("demo", await demoGenerator(), 8),
    sampling("config F", configF(256), 4),
    ...(large ? [sampling("config F", configF(1024), 4)] : []),
  ];
}

function sampling(title: string, a: Architecture, batch: number): Case {
  return {
    name: `${title} at ${a.resolution}, batch ${batch}`,
    program: () => ({ outputs: { image: draw(a, batch).image } }),
    filling: modelFilling,
    result: "image",
    read: ["image"],
    clock: "host",
    images: batch,
    peer: { kind: "generator", architecture: a, batch, backward: false, read: true },
  };
}
