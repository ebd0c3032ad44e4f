/** From a picture that nada drew back to the place where it is drawn: what its text says of it. */
import type { Generator } from "./types.ts";

/** Of what stands under "nada" in a PNG, all that Explore can show. */
interface About {
  readonly seed?: number;
  readonly truncation?: number;
  readonly class?: number;
  readonly generatorSha256?: string;
  readonly adaptedSha256?: string;
  readonly strength?: number;
  readonly added?: readonly { readonly adaptedSha256: string; readonly strength: number }[];
  readonly mixSeeds?: readonly number[];
  readonly mixFrom?: number;
}

const SIGNATURE = "\x89PNG\r\n\x1a\n";

/** What a PNG says of itself; null for any other file, and for a picture that says nothing. */
export function readAbout(file: ArrayBuffer): About | null {
  const view = new DataView(file);
  const latin1 = (from: number, to: number) =>
    String.fromCharCode(...new Uint8Array(file.slice(from, to)));
  if (latin1(0, 8) !== SIGNATURE) return null;
  for (let at = 8; at + 12 <= file.byteLength;) {
    const [start, type] = [at + 8, latin1(at + 4, at + 8)];
    const end = start + view.getUint32(at);
    // The keyword, then for iTXt: not compressed, no language, no translated keyword.
    const head = { tEXt: "nada\0", iTXt: "nada\0\0\0\0\0" }[type];
    if (head !== undefined && latin1(start, start + head.length) === head) {
      const text = new Uint8Array(file.slice(start + head.length, end));
      try {
        return JSON.parse(new TextDecoder(type === "tEXt" ? "latin1" : "utf-8").decode(text));
      } catch {
        return null;
      }
    }
    at = end + 4;
  }
  return null;
}

/** The place of Explore that draws it; null where it is not of one of these generators, or of no seed. */
export function placeOf(about: About, generators: readonly Generator[]): string | null {
  const { seed, truncation, mixSeeds, mixFrom } = about;
  const shares = about.added ??
    (about.adaptedSha256 === undefined
      ? []
      : [{ adaptedSha256: about.adaptedSha256, strength: about.strength ?? 1 }]);
  const wanted = shares.length === 0
    ? [about.generatorSha256]
    : shares.map(({ adaptedSha256 }) => adaptedSha256);
  const [first, second] = wanted.map((sha256) => generators.find((each) => each.sha256 === sha256));
  if (seed === undefined || !first || wanted.length > 2 || (wanted.length === 2 && !second)) {
    return null;
  }
  const strength = shares.reduce((sum, share) => sum + share.strength, 0);
  const query = new URLSearchParams({ seed: String(seed) });
  const add = (name: string, value: number | string | undefined) => {
    if (value !== undefined) query.set(name, String(value));
  };
  add("truncation", truncation);
  add("class", about.class);
  if (shares.length > 0) add("strength", strength);
  add("mix", mixSeeds?.[0]);
  add("mix_from", mixFrom);
  if (second) {
    add("blend", second.id);
    add("blend_by", shares[1]!.strength / strength);
  }
  return `#/explore/${encodeURIComponent(first.id)}?${query}`;
}
