/** What is measured of a set of pictures that are to be in a style. */
import type { Picture, StyleName } from "../world/mod.ts";
import type { StyleClassifier } from "./classifier.ts";
import { contentShare, spread } from "./distances.ts";
import { frechetDistance } from "./frechet.ts";

export interface Figures {
  /** Share that the classifier gives to the style, from 0 to 1. */
  readonly share: number;
  /**
   * Fréchet distance to the true pictures in features without brightness and contrast, over that
   * of the generator before: 0 is the truth, 1 has not moved.
   */
  readonly style: number;
  /** Share whose own true picture is the nearest among 64, from 0 to 1. */
  readonly content: number;
  /** Mean distance of two pictures, over that of two true ones. */
  readonly diversity: number;
}

/** Measures sets of pictures of the same scenes against their true pictures in one style. */
export class Measure {
  readonly #features: Float64Array[];
  readonly #before: number;
  readonly #spread: number;

  /** `before` are the pictures of the generator that nobody has adapted. */
  constructor(
    private readonly classifier: StyleClassifier,
    private readonly style: StyleName,
    private readonly truth: readonly Picture[],
    before: readonly Picture[],
  ) {
    this.#features = truth.map((picture) => classifier.features(picture));
    this.#before = this.#distance(before.map((picture) => classifier.features(picture)));
    this.#spread = spread(truth);
  }

  figures(pictures: readonly Picture[]): Figures {
    const features = pictures.map((picture) => this.classifier.features(picture));
    const hits = features.filter((row) => this.classifier.styleOf(row) === this.style).length;
    return {
      share: hits / pictures.length,
      style: this.#distance(features) / this.#before,
      content: contentShare(pictures, this.truth),
      diversity: spread(pictures) / this.#spread,
    };
  }

  #distance(features: readonly Float64Array[]): number {
    return frechetDistance(features, this.#features);
  }
}
