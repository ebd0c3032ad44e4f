/** CLIP's tokenizer for a model whose token table holds only the tokens of the demo's words. */
import { UserError } from "../../lib/errors.ts";
import { decode, encode } from "../clip/tokenizer.ts";

/**
 * Gives, for a text, the rows of the cut table: start, the text, end, then zeros, `contextLength` in
 * all. Row i of the table belongs to token `vocabulary[i]`; start and end are the two after these.
 *
 * The function throws a UserError for words that the table lacks, and for texts that are too long.
 */
export function cutTokenizer(
  vocabulary: readonly number[],
  contextLength: number,
): (text: string) => number[] {
  const rowOf = new Map(vocabulary.map((id, row) => [id, row]));
  return (text) => {
    const ids = encode(text);
    const missing = ids.filter((id) => !rowOf.has(id));
    if (missing.length > 0) {
      const known = vocabulary.map((id) => decode([id]).trim()).filter((word) => word.length > 2);
      throw new UserError(
        `Cannot read "${text}" with the demo CLIP: it does not know "${decode(missing).trim()}"; ` +
          `use its words, which are made of ${known.join(", ")}`,
      );
    }
    const rows = [vocabulary.length, ...ids.map((id) => rowOf.get(id)!), vocabulary.length + 1];
    if (rows.length > contextLength) {
      throw new UserError(
        `Cannot read "${text}" with the demo CLIP: it has ${rows.length} tokens with start and ` +
          `end, the model reads at most ${contextLength}; shorten the text`,
      );
    }
    return [...rows, ...new Array<number>(contextLength - rows.length).fill(0)];
  };
}
