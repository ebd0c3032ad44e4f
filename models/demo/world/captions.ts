/** What a person might write below a picture of this world. */
import { type Attribute, ATTRIBUTES, type Scene } from "./attributes.ts";
import type { StyleName } from "./styles/mod.ts";
import {
  ATTRIBUTE_WORDS,
  classOf,
  PLAIN_TEMPLATES,
  STYLE_TEMPLATES,
  STYLE_WORDS,
} from "./words.ts";

/** Shares of captions that name only the style, and only the person. */
const STYLE_ONLY = 0.25;
const PLAIN = 0.12;

export interface Caption {
  readonly text: string;
  /** The style that it names, if any. */
  readonly style: StyleName | null;
  /** The class of each attribute that it mentions: what must be true of a picture that it fits. */
  readonly classes: Readonly<Partial<Record<Attribute, number>>>;
}

/**
 * One of many captions of a scene in a style: a name of the style, and up to three phrases about
 * the person. `random` gives numbers in [0, 1).
 */
export function caption(scene: Scene, style: StyleName, random: () => number): Caption {
  const pick = <T>(items: readonly T[]) => items[Math.floor(random() * items.length)]!;
  const kind = random();
  if (kind < STYLE_ONLY) {
    return { text: fill(pick(STYLE_TEMPLATES), pick(STYLE_WORDS[style])), style, classes: {} };
  }
  const phrases: string[] = [];
  const classes: Partial<Record<Attribute, number>> = {};
  const open = [...ATTRIBUTES];
  const wanted = 1 + Math.floor(3 * random());
  while (phrases.length < wanted && open.length > 0) {
    const attribute = open.splice(Math.floor(random() * open.length), 1)[0]!;
    const index = classOf(attribute, scene[attribute]);
    if (index < 0) continue;
    phrases.push(pick(ATTRIBUTE_WORDS[attribute][index]!.phrases));
    classes[attribute] = index;
  }
  const about = phrases.join(" and ");
  if (kind < STYLE_ONLY + PLAIN) {
    return { text: `${pick(PLAIN_TEMPLATES)} ${about}`, style: null, classes };
  }
  const subject = pick(["person", "face"]);
  return { text: fill(`a {} of a ${subject} ${about}`, pick(STYLE_WORDS[style])), style, classes };
}

/** A template with the name of a style in it; an "a" before it becomes "an" where that is right. */
export function fill(template: string, name: string): string {
  const fitting = /^[aeiou]/.test(name) ? template.replace(/\ba \{\}/, "an {}") : template;
  return fitting.replaceAll("{}", () => name);
}
