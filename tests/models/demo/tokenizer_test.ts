import assert from "node:assert/strict";
import { UserError } from "../../../lib/errors.ts";
import { encode } from "../../../models/clip/tokenizer.ts";
import { cutTokenizer } from "../../../models/demo/tokenizer.ts";

const VOCABULARY = encode("a photo of the sketch");
const tokens = cutTokenizer(VOCABULARY, 8);

Deno.test("cutTokenizer() gives rows of the cut table between start and end", () => {
  assert.deepEqual(tokens("The SKETCH of a sketch"), [5, 3, 4, 2, 0, 4, 6, 0]);
});

Deno.test("cutTokenizer() names the words that it does not know, and those that it does", () => {
  assert.throws(() => tokens("a photo of a zebra"), (error) => {
    return error instanceof UserError &&
      /does not know "zebra".*photo, the, sketch/.test(error.message);
  });
});

Deno.test("cutTokenizer() refuses a text beyond the context", () => {
  assert.throws(() => tokens("a photo of the sketch of a"), (error) => {
    return error instanceof UserError && /9 tokens .* at most 8/.test(error.message);
  });
});
