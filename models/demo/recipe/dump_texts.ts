/**
 * Writes the texts that belong to scenes dumped with the same COUNT and SEED, as tokens:
 *
 *     deno run --allow-read --allow-write models/demo/recipe/dump_texts.ts FOLDER COUNT SEED
 *
 *   captions.u8  [COUNT, styles, CAPTIONS, CONTEXT]  rows of the cut vocabulary
 *   claims.i8    [COUNT, styles, CAPTIONS, 1 + attributes]  the style and the classes that a
 *                caption names, -1 for what it leaves open
 *   classes.i8   [COUNT, attributes]                 which class a scene is in, -1 for none
 *   texts.json   the cut vocabulary (ids of CLIP's tokens), the styles, and the questions that
 *                zero-shot classification asks, all as tokens
 */
import { join } from "node:path";
import { UserError } from "../../../lib/errors.ts";
import { RandomState } from "../../../lib/random/numpy.ts";
import { tokenize } from "../../clip/tokenizer.ts";
import { cutVocabulary } from "../train/texts.ts";
import {
  ATTRIBUTE_WORDS,
  ATTRIBUTES,
  caption,
  classOf,
  fill,
  LATENT_SIZE,
  sceneFromLatent,
  STYLE_NAMES,
  STYLE_TEMPLATES,
  STYLE_WORDS,
  UNSEEN_STYLE_TEMPLATES,
} from "../world/mod.ts";

const CAPTIONS = 8;
const CONTEXT = 32;

const [folder, countText, seedText] = Deno.args;
const [count, seed] = [Number(countText), Number(seedText)];
if (folder === undefined || !(count > 0) || !(seed >= 0)) {
  throw new UserError(`Cannot dump with arguments [${Deno.args}]: they are FOLDER COUNT SEED`);
}

const ids = cutVocabulary();
const limits = { contextLength: CONTEXT, vocabSize: ids.length + 2, vocabulary: ids };
const tokens = (text: string) => tokenize(text, limits);

const z = Float32Array.from(new RandomState(seed).randn(count * LATENT_SIZE));
const stream = new RandomState(seed + 1000);
const random = () => stream.randomSample(1)[0]!;
const captions = new Uint8Array(count * STYLE_NAMES.length * CAPTIONS * CONTEXT);
const claims = new Int8Array(count * STYLE_NAMES.length * CAPTIONS * (1 + ATTRIBUTES.length));
const classes = new Int8Array(count * ATTRIBUTES.length);
for (let n = 0, at = 0; n < count; n++) {
  const scene = sceneFromLatent(z.subarray(n * LATENT_SIZE, (n + 1) * LATENT_SIZE));
  classes.set(ATTRIBUTES.map((name) => classOf(name, scene[name])), n * ATTRIBUTES.length);
  for (const style of STYLE_NAMES) {
    for (let k = 0; k < CAPTIONS; k++, at++) {
      const made = caption(scene, style, random);
      captions.set(tokens(made.text), at * CONTEXT);
      const named = ATTRIBUTES.map((name) => made.classes[name] ?? -1);
      const styleIndex = made.style === null ? -1 : STYLE_NAMES.indexOf(made.style);
      claims.set([styleIndex, ...named], at * (1 + ATTRIBUTES.length));
    }
  }
}

const questions = (templates: readonly string[]) =>
  STYLE_NAMES.map((style) =>
    STYLE_WORDS[style].flatMap((name) => templates.map((template) => tokens(fill(template, name))))
  );
const texts = {
  context: CONTEXT,
  captions: CAPTIONS,
  vocabulary: ids,
  templates: STYLE_TEMPLATES,
  styles: STYLE_NAMES,
  attributes: ATTRIBUTES,
  /** For each style, the short name in each template: what text directions are made of. */
  directions: STYLE_NAMES.map((style) =>
    STYLE_TEMPLATES.map((template) => tokens(fill(template, STYLE_WORDS[style][0]!)))
  ),
  /** For each style, every name in every template. */
  seen: questions(STYLE_TEMPLATES),
  unseen: questions(UNSEEN_STYLE_TEMPLATES),
  /** For each attribute, one text a class. */
  classes: ATTRIBUTES.map((name) =>
    ATTRIBUTE_WORDS[name].map(({ phrases }) => tokens(`a picture of a person ${phrases[0]}`))
  ),
};
await Deno.mkdir(folder, { recursive: true });
await Deno.writeFile(join(folder, "captions.u8"), captions);
await Deno.writeFile(join(folder, "claims.i8"), new Uint8Array(claims.buffer));
await Deno.writeFile(join(folder, "classes.i8"), new Uint8Array(classes.buffer));
await Deno.writeTextFile(join(folder, "texts.json"), JSON.stringify(texts));
