/** A very small CLIP of random weights, for tests that need no reference numbers. */
import { type TensorData, writeSafetensors } from "../../../lib/checkpoint/mod.ts";
import { numel } from "../../../lib/graph/tensor.ts";
import { LOGIT_SCALE, type Place, towerPlaces } from "../../../models/clip/names.ts";
import { resnetPlaces } from "../../../models/clip/resnet_names.ts";
import { normals, seededRandom } from "../../gpu.ts";

type Sizes = Readonly<Record<string, number>>;

const VIT: Sizes = { width: 64, hidden: 96, positions: 5, features: 3, patch: 3 };
const RESNET: Sizes = { half: 2, positions: 2, features: 3 };
const TEXT: Sizes = { width: 128, hidden: 40, positions: 9, features: 3, vocabulary: 350 };

/** Its tensors under OpenAI's names: images of 6x6, 2 blocks; texts of up to 9 tokens, single letters, 1 block. */
export function tinyTensors(): Map<string, TensorData> {
  return tensorsOf(towerPlaces("openai", "image", 2), VIT);
}

/** The same with a ResNet for images of 32x32, its second layer of two blocks, the others of one. */
export function tinyResNetTensors(): Map<string, TensorData> {
  return tensorsOf(resnetPlaces([1, 2, 1, 1]), RESNET);
}

function tensorsOf(imagePlaces: readonly Place[], imageSizes: Sizes): Map<string, TensorData> {
  const random = seededRandom(5);
  const tensors = new Map<string, TensorData>();
  const addTower = (places: readonly Place[], sizes: Sizes) => {
    for (const { name, shape: axes } of places.flatMap(({ parts }) => parts)) {
      if (tensors.has(name)) continue;
      const shape = axes.map((axis) =>
        axis.split("*").reduce((size, factor) => size * (sizes[factor] ?? +factor), 1)
      );
      // Convolutions keep the size of what they get, through all layers of a ResNet.
      const scale = shape.length === 4 ? Math.sqrt(2 * shape[0]! / numel(shape)) : 0.2;
      const data = normals(numel(shape), random).map((x) => scale * x);
      const isVariance = name.endsWith("running_var");
      tensors.set(name, { shape, data: isVariance ? data.map((x) => 0.02 + x * x) : data });
    }
  };
  addTower(imagePlaces, imageSizes);
  addTower(towerPlaces("openai", "text", 1), TEXT);
  return tensors.set(LOGIT_SCALE, { shape: [], data: Float32Array.of(1.5) });
}

export async function writeTiny(path: string, tensors = tinyTensors()): Promise<string> {
  await writeSafetensors(path, tensors);
  return path;
}
