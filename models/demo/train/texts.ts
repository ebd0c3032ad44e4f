/** The world's texts as tokens of a vocabulary that holds nothing else. */
import { encode, tokenize } from "../../clip/tokenizer.ts";
import {
  ATTRIBUTE_WORDS,
  ATTRIBUTES,
  fill,
  PLAIN_TEMPLATES,
  STYLE_NAMES,
  STYLE_TEMPLATES,
  STYLE_WORDS,
  UNSEEN_STYLE_TEMPLATES,
} from "../world/mod.ts";

/** CLIP's ids of all tokens that the world's words need, in ascending order. */
export function cutVocabulary(): number[] {
  const phrases = ATTRIBUTES.flatMap((name) => ATTRIBUTE_WORDS[name].flatMap((c) => c.phrases));
  const templates = [...STYLE_TEMPLATES, ...UNSEEN_STYLE_TEMPLATES, ...PLAIN_TEMPLATES];
  const names = STYLE_NAMES.flatMap((style) => STYLE_WORDS[style]);
  const others = templates.map((template) => fill(template, "face"));
  const texts = [...phrases, ...names, ...others, "a an and of"];
  return [...new Set(texts.flatMap(encode))].sort((a, b) => a - b);
}

/** Texts as the text tower takes them. */
export interface TokenBatch {
  /** `[n, context]`, rows of the token table. */
  readonly ids: Uint32Array<ArrayBuffer>;
  /** `[n, context]`: 1 where a text ends, 0 elsewhere. */
  readonly end: Float32Array<ArrayBuffer>;
}

/** Turns texts into batches; texts that it has met it knows. */
export class Texts {
  readonly #rows = new Map<string, number[]>();

  constructor(private readonly vocabulary: readonly number[], private readonly context: number) {}

  batch(texts: readonly string[]): TokenBatch {
    const ids = new Uint32Array(texts.length * this.context);
    const end = new Float32Array(texts.length * this.context);
    texts.forEach((text, i) => {
      const rows = this.#rowsOf(text);
      ids.set(rows, i * this.context);
      end[i * this.context + rows.indexOf(this.vocabulary.length + 1)] = 1;
    });
    return { ids, end };
  }

  #rowsOf(text: string): number[] {
    const known = this.#rows.get(text);
    if (known) return known;
    const rows = tokenize(text, {
      contextLength: this.context,
      vocabSize: this.vocabulary.length + 2,
      vocabulary: this.vocabulary,
    });
    this.#rows.set(text, rows);
    return rows;
  }
}
