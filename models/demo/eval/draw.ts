/** Pictures of a generator, as the world's are: values from 0 to 1. */
import type { Gpu } from "../../../lib/gpu/device.ts";
import { type DeviceGenerator, Sampler } from "../../generator/mod.ts";
import type { Picture } from "../world/mod.ts";

const BATCH = 16;

/** One picture for each row of z, without truncation; values beyond the range are cut off. */
export async function draw(
  gpu: Gpu,
  generator: DeviceGenerator,
  z: Float32Array<ArrayBuffer>,
): Promise<Picture[]> {
  const { resolution: size } = generator.architecture;
  const sampler = await Sampler.create(gpu, generator, { batch: BATCH });
  try {
    const { images, count } = await sampler.sample({ z });
    const length = 3 * size * size;
    return Array.from({ length: count }, (_, n) => {
      const image = images.subarray(n * length, (n + 1) * length);
      return { size, data: image.map((value) => Math.min(1, Math.max(0, (value + 1) / 2))) };
    });
  } finally {
    sampler.dispose();
  }
}
