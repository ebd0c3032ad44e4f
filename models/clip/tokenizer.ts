import { UserError } from "../../lib/errors.ts";
import { cleanText } from "./clean_text.ts";
import {
  BYTE_SYMBOLS,
  END_OF_TEXT,
  END_OF_WORD,
  START_OF_TEXT,
  type Vocabulary,
  vocabulary as fullVocabulary,
  VOCABULARY_SIZE,
} from "./vocabulary.ts";

export interface TokenizeOptions {
  /** Tokens the model reads, start and end included. */
  contextLength?: number;
  /** Rows of the model's token table; the last two are start and end of text. */
  vocabSize?: number;
  /** CLIP's ids of the other rows, where they are not the first ones: all words the model knows. */
  vocabulary?: readonly number[] | null;
}

const START_ID = VOCABULARY_SIZE - 2;
const END_ID = VOCABULARY_SIZE - 1;

/**
 * The token ids a CLIP text encoder reads: start, the text, end, then zeros, `contextLength` in
 * all. A model with a `vocabulary` passes over words that it does not know.
 *
 * Throws `UserError` when the text is too long, needs a token that the model lacks, or has no word
 * that it knows.
 */
export function tokenize(
  text: string,
  { contextLength = 77, vocabSize = VOCABULARY_SIZE, vocabulary = null }: TokenizeOptions = {},
): number[] {
  const words = vocabulary ? encode(text).filter((id) => vocabulary.includes(id)) : encode(text);
  if (vocabulary && words.length === 0) {
    const known = vocabulary.map((id) => decode([id]).trim()).filter((word) =>
      /^\p{L}+$/u.test(word)
    );
    throw new UserError(
      `Cannot tokenize "${beginning(text)}": the model knows none of its words, only ` +
        `${known.join(" ")}; use these, or a CLIP with all ${VOCABULARY_SIZE} tokens`,
    );
  }
  const ids = [START_ID, ...words, END_ID];
  if (ids.length > contextLength) {
    throw new UserError(
      `Cannot tokenize "${beginning(text)}": it has ${ids.length} tokens with start and end, ` +
        `the model reads at most ${contextLength}; shorten the text`,
    );
  }
  const rows = new Array<number>(contextLength).fill(0);
  ids.forEach((id, i) => rows[i] = tableRow(id, vocabSize, vocabulary, text));
  return rows;
}

/** The words of a text that a model with a `vocabulary` passes over. */
export function unknownWords(text: string, vocabulary: readonly number[] | null): string[] {
  if (!vocabulary) return [];
  const words = cleanText(text).match(WORDS) ?? [];
  return words.filter((word) => encode(word).some((id) => !vocabulary.includes(id)));
}

/** The token ids of a text alone, without start, end and padding: 0 to `VOCABULARY_SIZE - 1`. */
export function encode(text: string): number[] {
  const words = fullVocabulary();
  return (cleanText(text).match(WORDS) ?? []).flatMap((word) =>
    word === START_OF_TEXT || word === END_OF_TEXT
      ? words.id(word)
      : mergePairs(byteTokens(word), words).map((token) => words.id(token))
  );
}

/**
 * The text that token ids stand for, a space after each word; the inverse of `encode` but for
 * clean-up and spaces. Throws `UserError` for an id outside the vocabulary.
 */
export function decode(ids: readonly number[]): string {
  const words = fullVocabulary();
  const symbols = ids.map((id) => {
    const token = words.token(id);
    if (token === undefined) {
      throw new UserError(
        `Cannot decode token id ${id}: CLIP's ids are whole numbers from 0 to ${END_ID}`,
      );
    }
    return token;
  }).join("");
  const bytes = Uint8Array.from(symbols, (symbol) => BYTES.get(symbol)!);
  return new TextDecoder().decode(bytes).replaceAll(END_OF_WORD, " ");
}

/** Contractions, words, single digits, runs of anything else. */
const WORDS =
  /<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+/giu;

const BYTES = new Map(BYTE_SYMBOLS.map((symbol, byte) => [symbol, byte]));

/** A word as one token per UTF-8 byte, the last one marked as the end of the word. */
function byteTokens(word: string): string[] {
  const tokens = Array.from(new TextEncoder().encode(word), (byte) => BYTE_SYMBOLS[byte]!);
  tokens.push(tokens.pop()! + END_OF_WORD);
  return tokens;
}

/** Merges neighbours, the pair of the lowest rank first and everywhere, until no pair has one. */
function mergePairs(tokens: string[], words: Vocabulary): string[] {
  while (true) {
    let bestRank = Infinity;
    let best = 0;
    for (let i = 0; i + 1 < tokens.length; i++) {
      const rank = words.mergeRank(tokens[i]!, tokens[i + 1]!) ?? Infinity;
      if (rank < bestRank) [bestRank, best] = [rank, i];
    }
    if (bestRank === Infinity) return tokens;

    const [first, second] = [tokens[best]!, tokens[best + 1]!];
    const merged: string[] = [];
    for (let i = 0; i < tokens.length; i++) {
      const pair = tokens[i] === first && tokens[i + 1] === second;
      merged.push(pair ? first + second : tokens[i]!);
      if (pair) i++;
    }
    tokens = merged;
  }
}

/** The row of a model's token table for a token id: start and end are always its last two. */
function tableRow(
  id: number,
  vocabSize: number,
  vocabulary: readonly number[] | null,
  text: string,
): number {
  if (id >= START_ID) return id - VOCABULARY_SIZE + vocabSize;
  if (vocabulary) return vocabulary.indexOf(id);
  if (id < vocabSize - 2) return id;
  throw new UserError(
    `Cannot tokenize "${beginning(text)}": "${decode([id]).trim()}" is token ${id}, the model's ` +
      `vocabulary ends at ${vocabSize - 3}; use other words, or a model with all ` +
      `${VOCABULARY_SIZE} tokens of CLIP`,
  );
}

function beginning(text: string): string {
  const characters = [...text];
  return characters.length > 40 ? characters.slice(0, 40).join("") + "…" : text;
}
