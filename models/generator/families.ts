/** The families of generators that nada knows, and which of them a file holds. */
import { type Architecture as Stylegan2 } from "../stylegan2/architecture.ts";
import { stylegan2 } from "../stylegan2/family.ts";
import * as stylegan2Files from "../stylegan2/weights.ts";
import { type Architecture as Stylegan3 } from "../stylegan3/architecture.ts";
import { stylegan3 } from "../stylegan3/family.ts";
import * as stylegan3Files from "../stylegan3/weights.ts";
import type { ClassChoice } from "./condition.ts";
import type { Generator, TensorSource, Weights } from "./generator.ts";

/** Plain data; `family` says whose. */
export type Architecture = Stylegan2 | Stylegan3;

export type GeneratorWeights = Weights<Architecture>;

/** What the architecture means. */
export function generatorOf(a: Architecture): Generator {
  return a.family === "stylegan2" ? stylegan2(a) : stylegan3(a);
}

export type GeneratorOutline = stylegan2Files.GeneratorOutline | stylegan3Files.GeneratorOutline;

/**
 * Reads a generator of any family; where its images are of classes, that for the chosen one.
 *
 * Throws a CheckpointError when the file holds none, when a tensor is missing, unknown or of the
 * wrong shape, and when there is no such class; reading a tensor does, when a value of it is NaN or
 * infinite.
 */
export async function readGenerator(
  source: TensorSource,
  chosen: ClassChoice = null,
): Promise<GeneratorWeights> {
  return stylegan3Files.isStylegan3(source.tensors)
    ? stylegan3Files.readGenerator(source, chosen)
    : await stylegan2Files.readGenerator(source, chosen);
}

/** What is known without values. Throws as `readGenerator` does, but for these. */
export function outlineGenerator(source: TensorSource): GeneratorOutline {
  return stylegan3Files.isStylegan3(source.tensors)
    ? stylegan3Files.outlineGenerator(source)
    : stylegan2Files.outlineGenerator(source);
}
