/** A very small CLIP of random weights, for tests that need no reference numbers. */
import { type TensorData, writeSafetensors } from "../../../lib/checkpoint/mod.ts";
import { numel } from "../../../lib/graph/tensor.ts";
import { LOGIT_SCALE, type Tower, towerPlaces } from "../../../models/clip/names.ts";
import { normals, seededRandom } from "../../gpu.ts";

const SIZES: Record<Tower, Record<string, number>> = {
  image: { width: 64, hidden: 96, positions: 5, features: 3, patch: 3 },
  text: { width: 128, hidden: 40, positions: 9, features: 3, vocabulary: 350 },
};

/** Its tensors under OpenAI's names: images of 6x6, 2 blocks; texts of up to 9 tokens, single letters, 1 block. */
export function tinyTensors(): Map<string, TensorData> {
  const random = seededRandom(5);
  const tensors = new Map<string, TensorData>();
  for (const [tower, blocks] of [["image", 2], ["text", 1]] as const) {
    for (const place of towerPlaces("openai", tower, blocks)) {
      for (const part of place.parts) {
        const shape = part.shape.map((axis) =>
          axis.split("*").reduce((size, factor) => size * (SIZES[tower][factor] ?? +factor), 1)
        );
        tensors.set(part.name, { shape, data: normals(numel(shape), random).map((x) => 0.2 * x) });
      }
    }
  }
  return tensors.set(LOGIT_SCALE, { shape: [], data: Float32Array.of(1.5) });
}

export async function writeTiny(path: string, tensors = tinyTensors()): Promise<string> {
  await writeSafetensors(path, tensors);
  return path;
}
