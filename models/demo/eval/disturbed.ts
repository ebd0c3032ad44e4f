/** Pictures as a generator may draw them: a little soft, a little noisy. Neither is a style. */
import type { RandomState } from "../../../lib/random/numpy.ts";
import type { Picture } from "../world/mod.ts";
import { blurred } from "../world/raster.ts";

/** Up to this many pixels of blur, and this much noise in values from 0 to 1. */
const MAX_BLUR = 0.9;
const MAX_NOISE = 0.06;

/** Softer for one half of the pictures, noisier for the other, by random amounts. */
export function disturbed({ size, data }: Picture, random: RandomState): Picture {
  const [kind, share] = random.randomSample(2);
  if (kind! < 0.5) {
    const plane = size * size;
    const out = new Float32Array(data.length);
    for (let c = 0; c < 3; c++) {
      const channel = data.slice(c * plane, (c + 1) * plane);
      out.set(blurred(channel, size, 0.2 + (MAX_BLUR - 0.2) * share!), c * plane);
    }
    return { size, data: out };
  }
  const noise = random.randn(data.length);
  return {
    size,
    data: data.map((value, i) => Math.min(1, Math.max(0, value + MAX_NOISE * share! * noise[i]!))),
  };
}
