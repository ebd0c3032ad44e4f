/** The image tower as a graph, and what it says of many pictures. */
import type { Gpu } from "../../../lib/gpu/device.ts";
import { reshape, slice } from "../../../lib/graph/ops/mod.ts";
import { Program } from "../../../lib/graph/program.ts";
import { input, type Tensor } from "../../../lib/graph/tensor.ts";
import { type ImageStages, imageStages } from "../../clip/image.ts";
import { preprocess } from "../../clip/preprocess.ts";
import { layerNorm } from "../../clip/transformer.ts";
import { fixedLeaves, towerLeaves, type TransformerClip } from "./clip_weights.ts";
import { joined } from "./scenes.ts";
import type { Values } from "./values.ts";
import type { Vector } from "./vectors.ts";

/** What the tower computes of pictures `[n, 3, side, side]` in [-1, 1]. */
export function towerStages(
  a: TransformerClip,
  leaves: Readonly<Record<string, Tensor>>,
  pictures: Tensor,
): ImageStages {
  const pixels = preprocess(pictures, a.image.imageSize, "bicubic");
  return imageStages(towerLeaves(a, "image", leaves), a.image, pixels);
}

/** Of tokens `[n, t, width]` the class token, `[n, width]`. */
export function classToken(tokens: Tensor): Tensor {
  const [n, , width] = tokens.shape as [number, number, number];
  return reshape(slice(tokens, [0, 0, 0], [n, 1, width]), [n, width]);
}

/** What the projection reads of tokens `[n, t, width]`: the class token after its norm, `[n, width]`. */
export function classState(
  a: TransformerClip,
  leaves: Readonly<Record<string, Tensor>>,
  tokens: Tensor,
): Tensor {
  const p = towerLeaves(a, "image", leaves);
  return layerNorm(p, "norm_post", classToken(tokens), a.image.epsilon);
}

/** Pictures a run. */
const BATCH = 32;

/** For each picture `[3, side, side]` the rows of what `make` makes of the tower's stages. */
export async function seenByTower(
  gpu: Gpu,
  a: TransformerClip,
  weights: ReadonlyMap<string, Values>,
  pictures: readonly Float32Array<ArrayBuffer>[],
  make: (stages: ImageStages, leaves: Readonly<Record<string, Tensor>>) => Tensor,
): Promise<Vector[]> {
  const side = a.image.imageSize;
  const leaves = fixedLeaves(a, "image", weights);
  const seen = make(towerStages(a, leaves, input("pictures", [BATCH, 3, side, side])), leaves);
  const program = await Program.compile(gpu, { outputs: { seen } });
  try {
    const rows: Vector[] = [];
    for (let first = 0; first < pictures.length; first += BATCH) {
      const own = pictures.slice(first, first + BATCH);
      // The last run is filled up with its first picture.
      const fed = Array.from({ length: BATCH }, (_, i) => own[i] ?? own[0]!);
      const data = (await program.run({ pictures: joined(fed) }, { read: ["seen"] })).seen!;
      const width = data.length / BATCH;
      own.forEach((_, i) =>
        rows.push(Float64Array.from(data.subarray(i * width, (i + 1) * width)))
      );
    }
    return rows;
  } finally {
    program.dispose();
  }
}
