/** Generators of random weights in files, for commands. */
import { writeSafetensors } from "../../lib/checkpoint/mod.ts";
import { madeUpTensors, type Tensors } from "../models/stylegan2/made_up.ts";

/** 8x8 images. */
export const DIMENSIONS = { zSize: 6, wSize: 5, mappingDepth: 2, channels: [7, 5] };

/** Writes a generator after `change`, and returns the path. */
export async function writeGenerator(
  path: string,
  change: (tensors: Tensors) => void = () => {},
  channels = DIMENSIONS.channels,
): Promise<string> {
  const tensors = madeUpTensors({ ...DIMENSIONS, channels }, 1);
  const mean = Float32Array.from({ length: 5 }, (_, i) => i / 10);
  tensors.set("latent_avg", { shape: [5], data: mean });
  change(tensors);
  await writeSafetensors(path, tensors);
  return path;
}
