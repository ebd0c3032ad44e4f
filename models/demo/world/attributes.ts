/** What differs between scenes, and which latent gives which scene. */
import { ShapeError } from "../../../lib/errors.ts";

/** Length of a latent z. */
export const LATENT_SIZE = 64;

/**
 * Each attribute is the quantile, from 0 to 1, of one coordinate of the normalised latent: the first
 * attribute reads the first coordinate, and so on. The coordinates beyond them change nothing.
 */
export const ATTRIBUTES = [
  "skin",
  "hairColour",
  "hairLength",
  "faceWidth",
  "eyeSize",
  "smile",
  "openMouth",
  "glasses",
  "hat",
  "tilt",
  "yaw",
  "background",
  "shirt",
  "beard",
] as const;

export type Attribute = typeof ATTRIBUTES[number];

/** A scene: every attribute as a quantile from 0 to 1, each independent of the others. */
export type Scene = Readonly<Record<Attribute, number>>;

/**
 * The scene of a latent z `[64]`. For z ~ N(0, I) every attribute is uniform; as in a mapping
 * network's first step, only the direction of z counts.
 */
export function sceneFromLatent(z: ArrayLike<number>): Scene {
  if (z.length !== LATENT_SIZE) {
    throw new ShapeError(`Cannot read a scene from ${z.length} numbers: it takes ${LATENT_SIZE}`);
  }
  let energy = 0;
  for (let i = 0; i < LATENT_SIZE; i++) energy += z[i]! ** 2;
  const scale = 1 / Math.sqrt(energy / LATENT_SIZE + 1e-8);
  const quantiles = ATTRIBUTES.map((name, i) => [name, gaussianQuantile(z[i]! * scale)]);
  return Object.fromEntries(quantiles);
}

/** Share of a standard Gaussian below x, by Abramowitz and Stegun's 7.1.26 (within 1e-7). */
export function gaussianQuantile(x: number): number {
  const u = Math.abs(x) * Math.SQRT1_2;
  const t = 1 / (1 + 0.3275911 * u);
  const tail = t * (0.254829592 +
    t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const erf = 1 - tail * Math.exp(-u * u);
  return x < 0 ? (1 - erf) / 2 : (1 + erf) / 2;
}

/** Half the width of the ramp, in quantiles, from "without" to "with". */
const RAMP = 0.03;

/**
 * How much of an on-and-off attribute there is, from 0 to 1, when `share` of all scenes have it. The
 * short ramp keeps the picture a continuous function of the latent.
 */
export function presence(quantile: number, share: number): number {
  const t = (quantile - (1 - share - RAMP)) / (2 * RAMP);
  const clamped = Math.min(1, Math.max(0, t));
  return clamped * clamped * (3 - 2 * clamped);
}

/** Shares of scenes with an attribute that is there or not. */
export const SHARES = { glasses: 0.4, hat: 0.35, beard: 0.35 } as const;
