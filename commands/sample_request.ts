/** What `nada sample` is asked for, read and checked before anything is drawn. */
import { basename } from "node:path";
import { UserError } from "../lib/errors.ts";
import type { PictureAbout } from "../models/nada/picture_text.ts";
import type { GeneratorWeights } from "../models/generator/families.ts";
import type { NoiseMode, Sizes } from "../models/generator/generator.ts";
import { type LatentKind, readLatents } from "../models/generator/latent_file.ts";
import { latentsFromSeeds, parseSeeds } from "../models/generator/latents.ts";
import type { Latents } from "../models/generator/sampler.ts";
import { type AdaptedFlags, loadAdapted } from "./adapted_generator.ts";
import type { Picture, SampleSet } from "./sample_output.ts";

/** The options that say what to draw. */
export interface SampleFlags extends AdaptedFlags {
  readonly seeds: string;
  readonly z?: string;
  readonly w?: string;
  readonly wPlus?: string;
  readonly truncation?: number;
  readonly mix?: string;
  readonly mixFrom?: number;
  readonly noise: NoiseMode;
  /** Whether files say what is in them; they do unless it is false. */
  readonly metadata?: boolean;
}

export interface SampleRequest {
  readonly weights: GeneratorWeights;
  readonly latents: Latents;
  readonly truncation: number;
  readonly mix: { readonly latents: Latents; readonly crossover: number } | null;
  readonly set: SampleSet;
}

/** Truncation of latents that are drawn; w and w+ that are given stay as they are. */
const TRUNCATION = 0.7;

/** Reads every file that the options name. Throws a UserError for what does not fit together. */
export async function readRequest(flags: SampleFlags): Promise<SampleRequest> {
  if (flags.mixFrom !== undefined && flags.mix === undefined) {
    throw new UserError("Cannot use --mix-from without --mix; pass both or neither");
  }
  const { weights, about } = await loadAdapted(flags);
  const a = weights.architecture;
  const { latents, items } = await readSources(flags, a);
  const mix = readMix(flags, items.length, a);
  const isGiven = !("z" in latents);
  const truncation = flags.truncation ?? (isGiven ? 1 : TRUNCATION);

  const common: PictureAbout = { truncation, noise: flags.noise, ...about };
  const isSilent = flags.metadata === false;
  const pictures = items.map((item, i) => {
    const picture = describe(item, mix && mix.seeds[i]!, mix, common);
    return isSilent ? { ...picture, about: null } : picture;
  });
  const seeds = items.flatMap(({ about: { seed } }) => seed ?? []);
  const [{ from = "" }] = items as [Item];
  const set: SampleSet = {
    architecture: a,
    pictures: distinctNames(pictures),
    title: about.source ? `${about.source} → ${about.target}` : about.generator,
    subtitle: subtitle(common, mix),
    about: isSilent ? null : {
      ...(seeds.length > 0 ? { seeds } : { latents: from }),
      ...(mix && { mixSeeds: mix.seeds, mixFrom: mix.crossover }),
      ...common,
    },
    z: "z" in latents ? latents.z : null,
    mixZ: mix && mix.latents.z,
    hasW: mix === null && !("wPlus" in latents),
  };
  return { weights, latents, truncation, mix, set };
}

/** Where one image comes from. */
interface Item {
  readonly kind: "seed" | LatentKind;
  readonly number: number;
  /** Digits of the number in names of files. */
  readonly digits: number;
  /** The file of latents, in words. */
  readonly from?: string;
  readonly about: Pick<PictureAbout, "seed" | "latents">;
}

async function readSources(
  { seeds, z, w, wPlus }: SampleFlags,
  a: Sizes,
): Promise<{ latents: Latents; items: Item[] }> {
  const given = ([["z", z], ["w", w], ["w_plus", wPlus]] as const).find(([, file]) => file);
  if (!given) {
    const numbers = parseSeeds(seeds);
    const digits = digitsFor(Math.max(...numbers));
    return {
      latents: { z: latentsFromSeeds(numbers, a.zSize) },
      items: numbers.map((seed) => ({ kind: "seed", number: seed, digits, about: { seed } })),
    };
  }
  const [kind, file] = given as [LatentKind, string];
  const latents = await readLatents(file, kind, a);
  const count = countRows(latents, a);
  const from = `${kind} in ${basename(file)}`;
  const items = Array.from({ length: count }, (_, row) => ({
    kind,
    number: row,
    digits: digitsFor(count - 1),
    from,
    about: { latents: `row ${row} of ${from}` },
  }));
  return { latents, items };
}

/** Second latents, one for each of `count` images. */
function readMix({ mix, mixFrom }: SampleFlags, count: number, a: Sizes) {
  if (mix === undefined) return null;
  const given = parseSeeds(mix);
  if (given.length !== 1 && given.length !== count) {
    throw new UserError(
      `Cannot mix ${count} images with the ${given.length} seeds of --mix "${mix}": give one for ` +
        `each image or one for all`,
    );
  }
  // The paper's coarse styles and part of its middle ones stay.
  const crossover = mixFrom ?? a.wCount / 2;
  if (crossover > a.wCount) {
    throw new UserError(
      `Cannot mix from layer ${crossover} on: this generator has ${a.wCount}; pass --mix-from with ` +
        `0 to ${a.wCount}`,
    );
  }
  const seeds = given.length === count ? given : new Array<number>(count).fill(given[0]!);
  return { seeds, crossover, latents: { z: latentsFromSeeds(seeds, a.zSize) } };
}

function describe(
  { kind, number, digits, about }: Item,
  mixSeed: number | null,
  mix: { readonly crossover: number } | null,
  common: PictureAbout,
): Picture {
  const name = `${kind}${String(number).padStart(digits, "0")}`;
  const caption = `${kind.replace("_plus", "+")} ${number}`;
  if (mixSeed === null || mix === null) return { name, caption, about: { ...about, ...common } };
  return {
    name: `${name}_mix${String(mixSeed).padStart(digitsFor(mixSeed), "0")}`,
    caption: `${caption} + ${mixSeed}`,
    about: { ...about, mixSeeds: [mixSeed], mixFrom: mix.crossover, ...common },
  };
}

/** Adds a number to names that come more than once. */
function distinctNames(pictures: readonly Picture[]): Picture[] {
  const seen = new Map<string, number>();
  return pictures.map((picture) => {
    const times = (seen.get(picture.name) ?? 0) + 1;
    seen.set(picture.name, times);
    return times === 1 ? picture : { ...picture, name: `${picture.name}_${times}` };
  });
}

function subtitle(
  { truncation, noise, strength, generator, source }: PictureAbout,
  mix: { readonly crossover: number } | null,
): string {
  return [
    ...(source === undefined ? [] : [generator]),
    ...(strength === undefined ? [] : [`strength ${strength}`]),
    `truncation ${truncation}`,
    ...(noise === "const" ? [] : [noise === "none" ? "no noise" : "random noise"]),
    ...(mix ? [`mixed from layer ${mix.crossover} on`] : []),
  ].join(", ");
}

/** Rows `start` to `start + count` of latents. */
export function sliceLatents(
  latents: Latents,
  start: number,
  count: number,
  a: Sizes,
): Latents {
  const rows = (data: Float32Array<ArrayBuffer>, size: number) =>
    data.subarray(start * size, (start + count) * size);
  if ("z" in latents) return { z: rows(latents.z, a.zSize) };
  if ("w" in latents) return { w: rows(latents.w, a.wSize) };
  return { wPlus: rows(latents.wPlus, a.wCount * a.wSize) };
}

function countRows(latents: Latents, { zSize, wSize, wCount }: Sizes): number {
  if ("z" in latents) return latents.z.length / zSize;
  return "w" in latents ? latents.w.length / wSize : latents.wPlus.length / (wCount * wSize);
}

/** At least four, so that names sort as numbers do. */
function digitsFor(largest: number): number {
  return Math.max(4, String(largest).length);
}
