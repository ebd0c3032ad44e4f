/** A generator with an adaptation on top, as several commands take it. */
import { basename } from "node:path";
import { sha256File } from "../lib/checkpoint/mod.ts";
import type { GeneratorWeights } from "../models/generator/families.ts";
import { applyDelta, promptOf, readDelta } from "../models/nada/delta.ts";
import { loadGenerator } from "../models/nada/generator_file.ts";
import type { PictureAbout } from "../models/nada/picture_text.ts";

export interface AdaptedFlags {
  readonly generator: string;
  readonly adapted?: string;
  readonly strength?: number;
}

/** Where it comes from; files by their names without folders. */
export type AdaptedAbout = Pick<
  PictureAbout,
  | "generator"
  | "generatorSha256"
  | "adapted"
  | "adaptedSha256"
  | "strength"
  | "source"
  | "target"
>;

/** Reads the files. Throws a UserError where they do not belong together. */
export async function loadAdapted(
  { generator, adapted, strength = 1 }: AdaptedFlags,
): Promise<{ weights: GeneratorWeights; about: AdaptedAbout }> {
  const { weights, ...base } = await loadGenerator(generator);
  const about = { generator: basename(generator), generatorSha256: base.sha256 };
  if (adapted === undefined) return { weights, about };
  const delta = await readDelta(adapted);
  return {
    weights: applyDelta(weights, base, delta, strength),
    about: {
      ...about,
      adapted: basename(adapted),
      adaptedSha256: await sha256File(adapted),
      strength,
      ...promptOf(delta),
    },
  };
}
