/** Pictures of the world as a generator's images are. */
import type { Picture } from "../world/mod.ts";

/** Pictures of one size, values from 0 to 1, as one batch `[n, 3, size, size]` in [-1, 1]. */
export function asImages(pictures: readonly Picture[]): Float32Array<ArrayBuffer> {
  const length = pictures[0]!.data.length;
  const batch = new Float32Array(pictures.length * length);
  pictures.forEach(({ data }, n) => batch.set(data.map((value) => 2 * value - 1), n * length));
  return batch;
}
