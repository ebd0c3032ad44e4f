/** How Explore draws: all of it stands in the address. */
export interface Look {
  readonly seed: number;
  readonly truncation: number;
  readonly strength: number;
  /** The seed that the finer styles are of, and the layer from which on; null for none. */
  readonly mix: { readonly seed: number; readonly from: number } | null;
  /** A second generator, and how much of it; null for none. */
  readonly blend: { readonly generator: string; readonly by: number } | null;
}

/** `layers`: how many can have a style each. */
export function lookOf(query: URLSearchParams, layers: number): Look {
  const number = (name: string, otherwise: number) => {
    const text = query.get(name);
    return text !== null && Number.isFinite(Number(text)) ? Number(text) : otherwise;
  };
  const blend = query.get("blend");
  return {
    seed: number("seed", 0),
    truncation: number("truncation", 0.7),
    strength: number("strength", 1),
    mix: query.has("mix")
      ? { seed: number("mix", 0), from: number("mix_from", Math.floor(layers / 2)) }
      : null,
    blend: blend === null ? null : { generator: blend, by: number("blend_by", 0.5) },
  };
}

/** What of it the API takes for any seed. */
export function drawOptions({ truncation, strength, blend }: Look) {
  return {
    truncation,
    strength,
    ...blend && { blend: blend.generator, blend_by: blend.by },
  };
}

/** The same for the image looked at, which alone is mixed. */
export function mixOptions({ mix }: Look) {
  return mix ? { mix: mix.seed, mix_from: mix.from } : {};
}

/** Seeds that a walk passes. */
export function stopsOf(query: URLSearchParams): number[] {
  return (query.get("walk") ?? "").split(",").filter(Boolean).map(Number);
}
