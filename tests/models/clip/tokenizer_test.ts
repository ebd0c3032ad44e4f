import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { UserError } from "../../../lib/errors.ts";
import { decode, encode, tokenize } from "../../../models/clip/tokenizer.ts";
import { fixturePath, hasFixtures } from "../../fixtures.ts";

const ignore = !hasFixtures;

interface Case {
  text: string;
  ids: number[];
  /** Without padding; null where the text is too long. */
  tokenize: number[] | null;
  decoded: string;
}

function readCases(): Case[] {
  return JSON.parse(readFileSync(fixturePath("tokenizer/tokenizer.json"), "utf8")).cases;
}

Deno.test({
  name: "encode() and decode() agree with the original tokenizer on every text",
  ignore,
  fn() {
    const cases = readCases();
    assert.ok(cases.length > 0);
    for (const { text, ids, decoded } of cases) {
      assert.deepEqual(encode(text), ids, text);
      assert.equal(decode(ids), decoded, text);
    }
  },
});

Deno.test({
  name: "tokenize() pads to 77 ids and refuses the texts the original refuses",
  ignore,
  fn() {
    for (const { text, tokenize: expected } of readCases()) {
      if (expected === null) {
        assert.throws(() => tokenize(text), UserError, text);
      } else {
        assert.deepEqual(tokenize(text), [...expected, ...Array(77 - expected.length).fill(0)]);
      }
    }
  },
});

Deno.test({
  name: "tokenize() gives the ids that go with the prompts of the CLIP models",
  ignore,
  fn() {
    for (const model of ["vit_a", "vit_b"]) {
      const path = fixturePath(`clip/${model}/expected.json`);
      const { prompts, tokens } = JSON.parse(readFileSync(path, "utf8"));
      assert.deepEqual(prompts.map((prompt: string) => tokenize(prompt)), tokens);
    }
  },
});

Deno.test("tokenize() takes the last two rows of a cut vocabulary as start and end", () => {
  assert.deepEqual(tokenize("a 7!", { contextLength: 6, vocabSize: 600 }), [
    598,
    320,
    278,
    256,
    599,
    0,
  ]);
  assert.deepEqual(tokenize(". <|endoftext|>", { contextLength: 4, vocabSize: 600 }), [
    598,
    269,
    599,
    599,
  ]);
});

Deno.test("tokenize() names the word that a cut vocabulary lacks", () => {
  assert.throws(() => tokenize("a Photo", { vocabSize: 600 }), {
    name: "UserError",
    message: 'Cannot tokenize "a Photo": "photo" is token 1125, the model\'s vocabulary ends at ' +
      "597; use other words, or a model with all 49408 tokens of CLIP",
  });
});

Deno.test("tokenize() says how long a text is and how long it may be", () => {
  assert.equal(tokenize("a ".repeat(75)).at(-1), 49407);
  assert.throws(() => tokenize("a ".repeat(76)), {
    name: "UserError",
    message: `Cannot tokenize "${"a ".repeat(20)}…": it has 78 tokens with start and end, the ` +
      "model reads at most 77; shorten the text",
  });
});

Deno.test("decode() refuses ids that CLIP does not have", () => {
  for (const id of [49408, -1, 0.5, NaN]) {
    assert.throws(() => decode([320, id]), { name: "UserError", message: new RegExp(`id ${id}:`) });
  }
});

Deno.test("tokenize() with a vocabulary gives its rows, and passes over words that are not in it", () => {
  const vocabulary = ["a", "photo", "sketch"].flatMap(encode).sort((a, b) => a - b);
  const options = { contextLength: 7, vocabSize: 5, vocabulary };
  const row = (word: string) => vocabulary.indexOf(encode(word)[0]!);
  assert.deepEqual(
    tokenize("a quick sketch", options),
    [3, row("a"), row("sketch"), 4, 0, 0, 0],
  );
  assert.deepEqual(tokenize("photo", options).slice(0, 3), [3, row("photo"), 4]);
  assert.throws(() => tokenize("zebra crossing", options), /knows none of its words, only/);
});
