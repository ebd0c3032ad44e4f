/** The noise that every convolution adds: fixed images, new ones in every run, or none. */
import { randomNormal } from "../../lib/graph/ops/mod.ts";
import { constant, input, numel, state, type Tensor } from "../../lib/graph/tensor.ts";
import { RandomState } from "../../lib/random/numpy.ts";
import { type Architecture, noiseShapes } from "./architecture.ts";
import type { GeneratorWeights, HostTensor } from "./weights.ts";

/**
 * "const": the images of the checkpoint, the same for every sample; "random": other ones for every
 * sample and run; "none": no noise.
 */
export type NoiseMode = "const" | "random" | "none";

/** Seed of the fixed noise for checkpoints that have none. */
const FIXED_NOISE_SEED = 0;

/**
 * The noise of every convolution as graph leaves. In mode "random" they follow from `key`; in mode
 * "const" they are states, which `stateName` may rename where a program has two generators.
 */
export function noiseLeaves(
  a: Architecture,
  { mode, batch, key, stateName }: {
    readonly mode: NoiseMode;
    readonly batch: number;
    /** Name of the input with the key, u32 `[2]`: seed and counter. */
    readonly key: string;
    readonly stateName?: (name: string) => string;
  },
): Tensor[] {
  if (mode === "none") return noNoises(a);
  if (mode === "random") return randomNoises(a, batch, input(key, [2], "u32"));
  return fixedNoises(a, stateName);
}

/** State leaves "noises.noise_0", … `[1, 1, r, r]`. */
export function fixedNoises(
  a: Architecture,
  stateName: (name: string) => string = (name) => name,
): Tensor[] {
  return noiseShapes(a).entries().map(([name, shape]) => state(stateName(name), shape)).toArray();
}

/**
 * Noise `[n, 1, r, r]` from key (u32 `[2]`: seed and counter). Takes the streams from 0 up to the
 * number of convolutions.
 */
export function randomNoises(a: Architecture, n: number, key: Tensor): Tensor[] {
  return a.convs.map(({ resolution, index }) =>
    randomNormal(key, [n, 1, resolution, resolution], index)
  );
}

/** Zeros. */
export function noNoises(a: Architecture): Tensor[] {
  return a.convs.map(() => constant(0));
}

/** Values of `fixedNoises` by name: the checkpoint's, or normal numbers from a fixed seed. */
export function fixedNoiseValues(
  { architecture, noises }: Pick<GeneratorWeights, "architecture" | "noises">,
): Map<string, HostTensor> {
  const random = new RandomState(FIXED_NOISE_SEED);
  return new Map(
    noiseShapes(architecture).entries().map(([name, shape], i) => [
      name,
      noises?.[i] ?? { shape, data: Float32Array.from(random.randn(numel(shape))) },
    ]),
  );
}
