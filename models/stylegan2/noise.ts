/** The noise that every convolution adds: fixed images, new ones in every run, or none. */
import { randomNormal } from "../../lib/graph/ops/mod.ts";
import { constant, numel, type Tensor } from "../../lib/graph/tensor.ts";
import { RandomState } from "../../lib/random/numpy.ts";
import {
  inMemory,
  type Noise,
  type Parameters,
  type StoredTensor,
} from "../generator/generator.ts";
import { type Architecture, noiseShapes } from "./architecture.ts";

/** Seed of the fixed noise for checkpoints that have none. */
const FIXED_NOISE_SEED = 0;

/** The noise of every convolution for `n` images; the fixed images are among the parameters. */
export function noisesOf(p: Parameters, a: Architecture, n: number, noise: Noise): Tensor[] {
  if (noise.mode === "random") return randomNoises(a, n, noise.key);
  return noise.mode === "none" ? noNoises(a) : [...noiseShapes(a).keys()].map((name) => p[name]!);
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

/** Fixed noise for checkpoints that have none: normal numbers from a seed. */
export function drawnNoises(a: Architecture): Map<string, StoredTensor> {
  const random = new RandomState(FIXED_NOISE_SEED);
  return new Map(
    noiseShapes(a).entries().map(([name, shape]) => [
      name,
      inMemory({ shape, data: Float32Array.from(random.randn(numel(shape))) }),
    ]),
  );
}
