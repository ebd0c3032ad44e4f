/** A generator with an adaptation on top, as several commands take it. */
import { basename } from "node:path";
import { sha256File } from "../lib/checkpoint/mod.ts";
import type { GeneratorWeights } from "../models/generator/families.ts";
import { applyDelta, promptOf, readDelta } from "../models/nada/delta.ts";
import { loadGenerator } from "../models/nada/generator_file.ts";
import type { PictureAbout } from "../models/nada/picture_text.ts";

export interface AdaptedFlags {
  readonly generator: string;
  /** Where its images are of classes; left out, the one that was adapted. */
  readonly class?: number;
  readonly adapted?: string;
  readonly strength?: number;
}

/** Where it comes from; files by their names without folders. */
export type AdaptedAbout = Pick<
  PictureAbout,
  | "generator"
  | "generatorSha256"
  | "class"
  | "adapted"
  | "adaptedSha256"
  | "strength"
  | "source"
  | "target"
>;

/** Reads the files. Throws a UserError where they do not belong together. */
export async function loadAdapted(
  { generator, class: given, adapted, strength = 1 }: AdaptedFlags,
): Promise<{ weights: GeneratorWeights; about: AdaptedAbout }> {
  const delta = adapted === undefined ? null : await readDelta(adapted);
  const classIndex = given ?? delta?.base.classIndex ?? null;
  const { weights, ...base } = await loadGenerator(generator, classIndex);
  const about = {
    generator: basename(generator),
    generatorSha256: base.sha256,
    ...classIndex !== null && { class: classIndex },
  };
  if (adapted === undefined || delta === null) return { weights, about };
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
