/** The words of this world: what its styles and attributes are called. */
import { type Attribute, SHARES } from "./attributes.ts";
import { BACKGROUND, HAIR, type NamedColour, SHIRT, SKIN } from "./colours.ts";
import type { StyleName } from "./styles/mod.ts";

/** Names for each style, without an article; the first is its short name. */
export const STYLE_WORDS: Record<StyleName, readonly string[]> = {
  photo: ["photo", "photograph", "realistic photo", "portrait photo", "camera picture"],
  sketch: ["sketch", "pencil sketch", "pencil drawing", "line drawing", "charcoal sketch"],
  painting: ["oil painting", "painting", "painting on canvas", "oil on canvas"],
  pixel: ["pixel art", "pixels", "pixel game character", "video game pixels"],
  neon: ["neon", "neon sign", "neon lights", "glowing neon lines", "glowing neon letters"],
  watercolour: ["watercolour", "watercolor", "watercolour painting", "watercolor on wet paper"],
  stone: ["stone", "stone statue", "statue", "carved stone sculpture", "marble sculpture"],
  night: ["night", "night scene", "moonlight", "dark night with stars"],
};

/** Sentences around the name of a style. */
export const STYLE_TEMPLATES: readonly string[] = [
  "{}",
  "a {}",
  "the {}",
  "a {} of a person",
  "a {} of a face",
  "this is a {}",
  "a person as a {}",
  "a face in the style of {}",
  "a picture in the style of {}",
];

/** Other sentences of the same words, kept away from training to see what it learned. */
export const UNSEEN_STYLE_TEMPLATES: readonly string[] = [
  "the style of a {}",
  "the picture is a {}",
  "this face is in the style of {}",
  "a person in a {}",
];

/** Names that no training text contains, to see whether a style is found by words put together anew. */
export const UNSEEN_STYLE_NAMES: Partial<Record<StyleName, string>> = {
  sketch: "charcoal drawing",
  neon: "glowing neon sign",
  stone: "marble statue",
};

/** Sentences about a person in no style. */
export const PLAIN_TEMPLATES: readonly string[] = ["a person", "a face", "this is a person"];

/** A class of an attribute: what it is called when the quantile is within [from, to). */
export interface AttributeClass {
  readonly from: number;
  readonly to: number;
  /** What follows "a person"; the first is used to ask about it. */
  readonly phrases: readonly string[];
}

/**
 * The classes that captions tell apart. Between the two classes of a continuous attribute lies a
 * part of the range that no caption mentions.
 */
export const ATTRIBUTE_WORDS: Record<Attribute, readonly AttributeClass[]> = {
  skin: colourClasses(SKIN, (name) => [`with ${name} skin`]),
  hairColour: colourClasses(HAIR, (name) => [`with ${name} hair`, `who has ${name} hair`]),
  hairLength: twoClasses(["with short hair"], ["with long hair"]),
  faceWidth: twoClasses(["with a narrow face"], ["with a wide face"]),
  eyeSize: twoClasses(["with small eyes"], ["with big eyes"]),
  smile: twoClasses(["with a frown", "who is sad"], ["with a smile", "who is happy"]),
  openMouth: twoClasses(["with a closed mouth"], ["with an open mouth"]),
  glasses: presenceClasses("glasses", SHARES.glasses),
  hat: presenceClasses("a hat", SHARES.hat),
  tilt: twoClasses(["with the head tilted left"], ["with the head tilted right"]),
  yaw: twoClasses(["looking left"], ["looking right"]),
  background: colourClasses(BACKGROUND, (name) => [`on a ${name} background`]),
  shirt: colourClasses(SHIRT, (name) => [`in a ${name} shirt`, `wearing a ${name} shirt`]),
  beard: presenceClasses("a beard", SHARES.beard),
};

function colourClasses(
  colours: readonly NamedColour[],
  phrases: (name: string) => string[],
): AttributeClass[] {
  return colours.map(({ name }, i) => ({
    from: i / colours.length,
    to: (i + 1) / colours.length,
    phrases: phrases(name),
  }));
}

function twoClasses(low: string[], high: string[]): AttributeClass[] {
  return [{ from: 0, to: 0.4, phrases: low }, { from: 0.6, to: 1, phrases: high }];
}

function presenceClasses(thing: string, share: number): AttributeClass[] {
  return [
    { from: 0, to: 1 - share, phrases: [`without ${thing}`] },
    { from: 1 - share, to: 1, phrases: [`with ${thing}`] },
  ];
}

/** Index of the class that a quantile is in, -1 where captions say nothing. */
export function classOf(attribute: Attribute, quantile: number): number {
  const classes = ATTRIBUTE_WORDS[attribute];
  const last = classes.length - 1;
  return classes.findIndex(({ from, to }, i) =>
    quantile >= from && (quantile < to || (i === last && quantile <= to))
  );
}
