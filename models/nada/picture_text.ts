/** What every PNG says about itself in text chunks. */
import { VERSION } from "../../lib/version.ts";
import type { ExportAbout } from "../generator/export.ts";

/** Where a picture comes from. Files go by their names without folders. */
export interface PictureAbout extends ExportAbout {
  /** The seed of a single image, or those of all in a grid. */
  readonly seed?: number;
  readonly seeds?: readonly number[];
  /** Where there is no seed: "row 3 of w in latents.safetensors". */
  readonly latents?: string;
  /** Styles from layer `mixFrom` of w+ on come from these. */
  readonly mixSeeds?: readonly number[];
  readonly mixFrom?: number;
  /** On the way from the seeds to these, and how far. */
  readonly towardsSeeds?: readonly number[];
  readonly towardsBy?: readonly number[];
  readonly truncation: number;
  readonly noise?: string;
  /** Steps of training. */
  readonly step?: number;
}

/**
 * Text chunks by keyword: some for people, and everything under "nada" as JSON. None where nothing is to
 * be said.
 */
export function pictureText(about: PictureAbout | null): Record<string, string> {
  if (about === null) return {};
  const { seed, seeds, latents, mixSeeds, source, target, step } = about;
  const adaptations = about.added ?? (about.adapted ? [about] : []);
  const lines: Record<string, string | undefined> = {
    Software: `nada ${VERSION}`,
    Seed: seed === undefined ? seeds?.join(", ") : String(seed),
    Latents: latents,
    Mix: mixSeeds && `seed ${mixSeeds.join(", ")} from layer ${about.mixFrom} on`,
    Towards: about.towardsSeeds &&
      `seed ${about.towardsSeeds.join(", ")} by ${about.towardsBy!.join(", ")}`,
    Truncation: String(about.truncation),
    Noise: about.noise,
    Generator: `${about.generator}, sha256 ${about.generatorSha256}`,
    Class: about.class === undefined ? undefined : String(about.class),
    Adapted:
      adaptations.map(({ adapted, adaptedSha256, strength }) =>
        `${adapted}, sha256 ${adaptedSha256}, strength ${strength}`
      ).join("; ") || undefined,
    Step: step === undefined ? undefined : String(step),
    Prompt: source && `${source} to ${target}`,
    nada: JSON.stringify({ version: VERSION, ...about }),
  };
  return Object.fromEntries(
    Object.entries(lines).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
