/**
 * Latents of the evaluation. Each set is a stream of its own, and none of these seeds stands
 * anywhere else: generator and CLIP were trained with 1 and 3 and held out 2 and 4, runs draw from
 * their own seed (2 unless asked otherwise), tests and grids use seeds of single latents.
 */
import { RandomState } from "../../../lib/random/numpy.ts";
import { LATENT_SIZE } from "../world/mod.ts";

export const SEEDS = {
  /** The latents that figures are about. Nothing is ever chosen by them. */
  evaluation: 20_261_123,
  /** Scenes that the style classifier learns from, and those that test it. */
  classifier: 20_261_124,
  heldOut: 20_261_125,
} as const;

/** z `[count, 64]`; fewer are the first of more. */
export function latents(seed: number, count: number): Float32Array<ArrayBuffer> {
  return Float32Array.from(new RandomState(seed).randn(count * LATENT_SIZE));
}

/** The rows of `latents`. */
export function rowsOf(z: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer>[] {
  return Array.from(
    { length: z.length / LATENT_SIZE },
    (_, i) => z.subarray(i * LATENT_SIZE, (i + 1) * LATENT_SIZE),
  );
}
