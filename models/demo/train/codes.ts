/**
 * What the demo CLIP's features mean: first the place of a style, then for each attribute the code of
 * a class, last one that is always there.
 */
import {
  ATTRIBUTE_WORDS,
  ATTRIBUTES,
  type Caption,
  STYLE_NAMES,
  type StyleName,
} from "../world/mod.ts";
import type { StepRandom } from "./random.ts";
import { orthonormal, plus, unitVector, type Vector } from "./vectors.ts";

/** Of the cosines of pictures and texts. */
export const LOGIT_SCALE = 100;

/** What the class of an attribute counts beside a style in a text. */
const ATTRIBUTES_SHARE = 0.6;

/** Classes of each attribute, in the order of ATTRIBUTES. */
export const CLASS_COUNTS: readonly number[] = ATTRIBUTES.map((name) =>
  ATTRIBUTE_WORDS[name].length
);

/** Codes of the classes of each attribute: one number for two classes, else one for each class. */
const CODES: readonly (readonly (readonly number[])[])[] = CLASS_COUNTS.map((count) =>
  count === 2 ? [[-1], [1]] : Array.from({ length: count }, (_, k) =>
    Array.from(
      { length: count },
      (_, i) => ((i === k ? 1 : 0) - 1 / count) / Math.sqrt(1 - 1 / count),
    ))
);

/** The first number of each attribute's code, and how many there are in all. */
const STARTS: readonly number[] = CODES.map((_, j) =>
  CODES.slice(0, j).reduce((sum, [first]) => sum + first!.length, 0)
);
export const CODE_LENGTH: number = CODES.reduce((sum, [first]) => sum + first!.length, 0);

/** The numbers of an attribute's code, and what they are for a class. */
export function codeOf(attribute: number, index: number): { at: number; code: readonly number[] } {
  return { at: STARTS[attribute]!, code: CODES[attribute]![index]! };
}

/** Features that places have. */
export const placeLength = (features: number): number => features - CODE_LENGTH - 1;

/** A unit vector for each style. Any will do, as the text tower learns to say them. */
export function stylePlaces(random: StepRandom, features: number): Vector[] {
  const some = () => unitVector(random.normals(placeLength(features)));
  const common = some();
  return STYLE_NAMES.map(() => unitVector(plus(common, 1, some())));
}

/** From the photo's place to that of each of OTHERS, unit vectors; and an orthonormal basis. */
export function waysOf(places: readonly Vector[]): { directions: Vector[]; basis: Vector[] } {
  const photo = places[STYLE_NAMES.indexOf("photo")]!;
  const directions = places.filter((place) => place !== photo)
    .map((place) => unitVector(plus(place, -1, photo)));
  return { directions, basis: orthonormal(directions) };
}

/** The unit feature of a text that claims that. */
export function wantedFeature(
  { style, classes }: Pick<Caption, "style" | "classes">,
  places: readonly Vector[],
  features: number,
): Vector {
  const wanted = new Float64Array(features);
  if (style !== null) wanted.set(places[STYLE_NAMES.indexOf(style as StyleName)]!);
  ATTRIBUTES.forEach((name, j) => {
    const index = classes[name];
    if (index === undefined) return;
    const { at, code } = codeOf(j, index);
    wanted.set(code.map((value) => ATTRIBUTES_SHARE * value), placeLength(features) + at);
  });
  return unitVector(wanted);
}
