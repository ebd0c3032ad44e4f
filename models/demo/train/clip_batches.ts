/** What the CLIP's losses are fed with: scenes in several styles, captions, and which fit which. */
import {
  type Caption,
  caption,
  classOf,
  fill,
  LATENT_SIZE,
  type Scene,
  sceneFromLatent,
  STYLE_NAMES,
  STYLE_TEMPLATES,
  STYLE_WORDS,
  type StyleName,
} from "../world/mod.ts";
import type { StepRandom } from "./random.ts";
import { drawLayers, drawPlanes, joined, type Move, moved } from "./scenes.ts";

/** Styles in which a batch shows each scene: neither style nor person alone tells pairs apart. */
export const STYLES_EACH = 4;
/** Templates that a text direction is the mean of. */
export const DIRECTION_TEXTS = 2;

/** What photos become. */
export const OTHERS: readonly StyleName[] = STYLE_NAMES.filter((style) => style !== "photo");

/** One text for each style in each of some templates, the first style's first: for directions. */
export function directionTexts(random: StepRandom): string[] {
  const templates = random.some(STYLE_TEMPLATES, DIRECTION_TEXTS);
  return STYLE_NAMES.flatMap((style) => {
    const words = STYLE_WORDS[style];
    const name = words[random.whole(words.length)]!;
    return templates.map((template) => fill(template, name));
  });
}

export interface CaptionedPictures {
  /** `[scenes * STYLES_EACH, 3, side, side]`; each scene's first picture is its photo. */
  readonly pictures: Float32Array<ArrayBuffer>;
  /** One for each picture. */
  readonly captions: readonly string[];
  /** The styles but the photos', `[scenes * (STYLES_EACH - 1), OTHERS]`, one-hot. */
  readonly edits: Float32Array<ArrayBuffer>;
  /**
   * `[pictures, texts]`, of which text each picture is and of which picture each text: rows, and
   * columns, that sum to 1. A caption that leaves something open fits several pictures.
   */
  readonly ofText: Float32Array<ArrayBuffer>;
  readonly ofPicture: Float32Array<ArrayBuffer>;
}

/** Scenes in the photo's and three other styles, a little moved, with a caption each. */
export function captionedPictures(
  random: StepRandom,
  { scenes, side }: { scenes: number; side: number },
): CaptionedPictures {
  const shown = Array.from({ length: scenes }, () => {
    const z = random.normals(LATENT_SIZE);
    const scene = sceneFromLatent(z);
    const layers = drawLayers(z);
    const styles: StyleName[] = ["photo", ...random.some(OTHERS, STYLES_EACH - 1)];
    return styles.map((style) => ({
      scene,
      style,
      picture: moved(drawPlanes(layers, style, side), side, someMove(random)),
      caption: caption(scene, style, random.uniform),
    }));
  }).flat();
  const count = shown.length;
  const fits = shown.map(({ scene, style }) =>
    shown.map((other) => fitsPicture(other.caption, scene, style) ? 1 : 0)
  );
  const each = (f: (picture: number, text: number) => number) =>
    Float32Array.from({ length: count * count }, (_, i) => f(Math.floor(i / count), i % count));
  const total = (row: readonly number[]) => row.reduce((sum, value) => sum + value, 0);
  const texts = fits.map(total);
  const pictures = fits.map((_, text) => total(fits.map((row) => row[text]!)));
  return {
    pictures: joined(shown.map(({ picture }) => picture)),
    captions: shown.map(({ caption }) => caption.text),
    edits: oneHot(shown.filter((_, i) => i % STYLES_EACH > 0).map(({ style }) => style)),
    ofText: each((picture, text) => fits[picture]![text]! / texts[picture]!),
    ofPicture: each((picture, text) => fits[picture]![text]! / pictures[text]!),
  };
}

/** Whether all that a caption claims is true of a scene in a style. */
function fitsPicture({ style, classes }: Caption, scene: Scene, shown: StyleName): boolean {
  return (style === null || style === shown) &&
    Object.entries(classes).every(([name, index]) => {
      const attribute = name as keyof Scene;
      return classOf(attribute, scene[attribute]) === index;
    });
}

export interface PicturePairs {
  /** `[scenes * STYLES_EACH, 3, side, side]`, photos and the same scenes in another style. */
  readonly photos: Float32Array<ArrayBuffer>;
  readonly truths: Float32Array<ArrayBuffer>;
  /** The other styles, `[scenes * STYLES_EACH, OTHERS]`, one-hot. */
  readonly wanted: Float32Array<ArrayBuffer>;
}

/** Each scene in four styles, beside its photo; half of the batches are a little moved. */
export function picturePairs(
  random: StepRandom,
  { scenes, side }: { scenes: number; side: number },
): PicturePairs {
  const isMoved = random.uniform() < 0.5;
  const pairs = Array.from({ length: scenes }, () => {
    const layers = drawLayers(random.normals(LATENT_SIZE));
    const photo = drawPlanes(layers, "photo", side);
    return random.some(OTHERS, STYLES_EACH).map((style) => {
      const truth = drawPlanes(layers, style, side);
      if (!isMoved) return { style, photo, truth };
      const move = someMove(random);
      return { style, photo: moved(photo, side, move), truth: moved(truth, side, move) };
    });
  }).flat();
  return {
    photos: joined(pairs.map(({ photo }) => photo)),
    truths: joined(pairs.map(({ truth }) => truth)),
    wanted: oneHot(pairs.map(({ style }) => style)),
  };
}

function someMove(random: StepRandom): Move {
  const [zoom, x, y] = random.normals(3);
  return { zoom: 1 + 0.08 * zoom!, x: 0.06 * x!, y: 0.06 * y! };
}

function oneHot(styles: readonly StyleName[]): Float32Array<ArrayBuffer> {
  return joined(
    styles.map((style) => Float32Array.from(OTHERS, (name) => name === style ? 1 : 0)),
  );
}
