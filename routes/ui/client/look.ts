import type { Generator } from "./types.ts";

/** How Explore draws: all of it stands in the address. */
export interface Look {
  readonly seed: number;
  readonly truncation: number;
  readonly strength: number;
  /** What kind of image; null where there is but one. */
  readonly ofClass: number | null;
  /** The seed that the finer styles are of, and the layer from which on; null for none. */
  readonly mix: { readonly seed: number; readonly from: number } | null;
  /** A second generator, and how much of it; null for none. */
  readonly blend: { readonly generator: string; readonly by: number } | null;
}

export function lookOf(
  query: URLSearchParams,
  generator: Pick<Generator, "w_count" | "classes" | "class">,
): Look {
  const number = (name: string, otherwise: number) => {
    const text = query.get(name);
    return text !== null && Number.isFinite(Number(text)) ? Number(text) : otherwise;
  };
  const blend = query.get("blend");
  return {
    seed: number("seed", 0),
    truncation: number("truncation", 0.7),
    strength: number("strength", 1),
    ofClass: generator.classes > 0 ? number("class", generator.class ?? 0) : null,
    mix: query.has("mix")
      ? { seed: number("mix", 0), from: number("mix_from", Math.floor(generator.w_count / 2)) }
      : null,
    blend: blend === null ? null : { generator: blend, by: number("blend_by", 0.5) },
  };
}

/** What of it the API takes for any seed of a base. */
export function originalOptions({ truncation, ofClass }: Pick<Look, "truncation" | "ofClass">) {
  return { truncation, ...ofClass !== null && { class: ofClass } };
}

/** The same for any seed of what an adaptation made. */
export function drawOptions({ strength, blend, ...look }: Look) {
  return {
    ...originalOptions(look),
    strength,
    ...blend && { blend: blend.generator, blend_by: blend.by },
  };
}

/** What else it takes for the image looked at, which alone is mixed. */
export function mixOptions({ mix }: Look) {
  return mix ? { mix: mix.seed, mix_from: mix.from } : {};
}

/** Seeds that a walk passes. */
export function stopsOf(query: URLSearchParams): number[] {
  return (query.get("walk") ?? "").split(",").filter(Boolean).map(Number);
}
