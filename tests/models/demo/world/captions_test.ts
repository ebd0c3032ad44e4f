import assert from "node:assert/strict";
import { RandomState } from "../../../../lib/random/numpy.ts";
import { tokenize } from "../../../../models/clip/tokenizer.ts";
import {
  ATTRIBUTE_WORDS,
  ATTRIBUTES,
  type Caption,
  caption,
  classOf,
  fill,
  type Scene,
  STYLE_NAMES,
  STYLE_WORDS,
  type StyleName,
} from "../../../../models/demo/world/mod.ts";

const BEARDED: Scene = {
  ...Object.fromEntries(ATTRIBUTES.map((name) => [name, 0.5])) as Scene,
  beard: 0.9,
  hairColour: 0.5,
};

function captions(count: number, style: StyleName): Caption[] {
  const stream = new RandomState(3);
  const random = () => stream.randomSample(1)[0]!;
  return Array.from({ length: count }, () => caption(BEARDED, style, random));
}

Deno.test("caption() names its style, or none, and never another one", () => {
  for (const style of STYLE_NAMES) {
    const all = captions(100, style);
    const own = all.filter((one) => one.style === style);
    assert.ok(own.length > 70 && own.length < 100);
    for (const { text } of own) {
      assert.ok(STYLE_WORDS[style].some((name) => text.includes(name)), text);
    }
    for (const { text } of all.filter((one) => one.style === null)) {
      assert.match(text, /^(a person|a face|this is a person) /);
    }
  }
});

Deno.test("caption() says only what is true of the scene, and lists what it says", () => {
  const all = captions(300, "photo");
  for (const { text, classes } of all) {
    assert.doesNotMatch(text, /without a beard|black hair|brown hair|blond hair|white hair/);
    assert.equal(/red hair/.test(text), classes.hairColour === 2);
    assert.equal(/with a beard/.test(text), classes.beard === 1);
  }
  assert.ok(all.some(({ classes }) => classes.beard === 1));
});

Deno.test("caption() fits a context of 32 tokens", () => {
  for (const style of STYLE_NAMES) {
    for (const { text } of captions(50, style)) tokenize(text, { contextLength: 32 });
  }
});

Deno.test("fill() writes an article that fits", () => {
  assert.equal(fill("a {} of a face", "oil painting"), "an oil painting of a face");
  assert.equal(fill("a {}", "sketch"), "a sketch");
});

Deno.test("classOf() leaves the middle of continuous attributes without a class", () => {
  assert.equal(classOf("smile", 0.1), 0);
  assert.equal(classOf("smile", 0.5), -1);
  assert.equal(classOf("smile", 1), 1);
  for (const name of ATTRIBUTES) assert.ok(ATTRIBUTE_WORDS[name].length >= 2);
});
