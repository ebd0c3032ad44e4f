/** How far the classifier is to be trusted: on scenes it has not seen, and on a control. */
import { STYLE_NAMES, type StyleName } from "../world/mod.ts";
import { renderings, type StyleClassifier } from "./classifier.ts";
import { latents, rowsOf, SEEDS } from "./latents.ts";
import { inToneOf, type Tone } from "./tinted.ts";

const SCENES = 100;

type ByStyle = Readonly<Partial<Record<StyleName, number>>>;

export interface Assessment {
  /** Held-out scenes, each drawn in every style. */
  readonly scenes: number;
  /** Share of their true renderings that are named rightly. */
  readonly accuracy: number;
  /** For each style but the photo, share of photos in its tone that pass for it. */
  readonly fooled: Readonly<Record<Tone, ByStyle>>;
}

export function assess(classifier: StyleClassifier, scenes = SCENES): Assessment {
  const held = renderings(rowsOf(latents(SEEDS.heldOut, scenes)));
  const shareOf = (style: StyleName, pictures: typeof held[StyleName]) =>
    pictures.filter((picture) => classifier.classify(picture) === style).length / pictures.length;
  const right = STYLE_NAMES.map((style) => shareOf(style, held[style]));
  const fooledBy = (tone: Tone): ByStyle =>
    Object.fromEntries(
      STYLE_NAMES.filter((style) => style !== "photo").map((style) => [
        style,
        shareOf(style, inToneOf(held.photo, held[style], tone)),
      ]),
    );
  return {
    scenes,
    accuracy: right.reduce((sum, share) => sum + share, 0) / right.length,
    fooled: { tinted: fooledBy("tinted"), recoloured: fooledBy("recoloured") },
  };
}
