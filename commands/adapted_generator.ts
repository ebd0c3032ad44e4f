/** A generator with adaptations on top, as several commands take it. */
import type { Command } from "commander";
import { basename } from "node:path";
import { sha256File } from "../lib/checkpoint/mod.ts";
import { UserError } from "../lib/errors.ts";
import { aboutAll, type ExportAbout } from "../models/generator/export.ts";
import type { GeneratorWeights } from "../models/generator/families.ts";
import { applyDeltas, promptOf, readDelta } from "../models/nada/delta.ts";
import { loadGenerator } from "../models/nada/generator_file.ts";
import { collectNumbers, collectTexts } from "./options.ts";

export interface AdaptedFlags {
  readonly generator: string;
  /** Where its images are of classes; left out, the one that was adapted. */
  readonly class?: number;
  readonly adapted?: readonly string[];
  readonly strength?: readonly number[];
}

/** Adds --adapted and --strength. */
export function addAdaptedOptions(command: Command): Command {
  return command
    .option(
      "--adapted <file>",
      "adapted.safetensors of a run with this generator; of several, the changes add up",
      collectTexts,
    )
    .option(
      "--strength <x>",
      "of each --adapted, in their order: 0 none, 1 full (default), above 1 more",
      collectNumbers,
    );
}

/** Reads the files. Throws a UserError where they do not belong together. */
export async function loadAdapted(
  { generator, class: given, adapted = [], strength }: AdaptedFlags,
): Promise<{ weights: GeneratorWeights; about: ExportAbout }> {
  if (strength !== undefined && adapted.length === 0) {
    throw new UserError("Cannot use --strength without --adapted; pass both or neither");
  }
  const strengths = strength ?? adapted.map(() => 1);
  if (strengths.length !== adapted.length) {
    throw new UserError(
      `Cannot take ${adapted.length} adaptations at the strengths ${strengths.join(", ")}: give ` +
        `--strength once for each --adapted, or not at all`,
    );
  }
  const deltas = await Promise.all(adapted.map(readDelta));
  const classIndex = given ?? deltas[0]?.base.classIndex ?? null;
  const { weights, ...base } = await loadGenerator(generator, classIndex);
  const shares = deltas.map((delta, i) => ({ delta, strength: strengths[i]! }));
  const abouts = await Promise.all(shares.map(async ({ delta, strength }) => ({
    adapted: basename(delta.file),
    adaptedSha256: await sha256File(delta.file),
    strength,
    ...promptOf(delta),
  })));
  return {
    weights: applyDeltas(weights, base, shares),
    about: {
      generator: basename(generator),
      generatorSha256: base.sha256,
      ...classIndex !== null && { class: classIndex },
      ...aboutAll(abouts),
    },
  };
}
