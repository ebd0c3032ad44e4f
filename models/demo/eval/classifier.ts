/**
 * Names the style of a picture. It knows nothing of CLIP: a linear discriminant of `features`,
 * fitted in closed form to true renderings, half of them a little blurred or noisy.
 *
 * It has to name one of the world's styles, so a picture that is like none of them gets one all the
 * same: its word counts only together with the Fréchet distance, the content and a look.
 */
import { drawFace, type Picture, sceneFromLatent, STYLE_NAMES, STYLES } from "../world/mod.ts";
import type { StyleName } from "../world/mod.ts";
import { RandomState } from "../../../lib/random/numpy.ts";
import { disturbed } from "./disturbed.ts";
import { features } from "./features.ts";
import { latents, rowsOf, SEEDS } from "./latents.ts";
import { type Matrix, moments, solve } from "./matrix.ts";

/** Scenes that it learns from, each in every style, as it is and disturbed. */
const SCENES = 150;

/** Share of the identity in the covariance within styles, which is measured on few scenes. */
const SHRINKAGE = 0.05;

/** True renderings of every scene, by style. */
export type Renderings = Readonly<Record<StyleName, readonly Picture[]>>;

export function renderings(z: readonly ArrayLike<number>[]): Renderings {
  const layers = z.map((row) => drawFace(sceneFromLatent(row)));
  return Object.fromEntries(
    STYLE_NAMES.map((style) => [style, layers.map((scene) => STYLES[style](scene))]),
  ) as Record<StyleName, Picture[]>;
}

export class StyleClassifier {
  private constructor(
    private readonly mean: Float64Array,
    private readonly deviation: Float64Array,
    private readonly linear: Readonly<Record<StyleName, Linear>>,
  ) {}

  /** Fits it to the scenes that are set apart for it; always the same. */
  static train(scenes = SCENES): StyleClassifier {
    const shown = renderings(rowsOf(latents(SEEDS.classifier, scenes)));
    const random = new RandomState(SEEDS.classifier);
    const raw = STYLE_NAMES.map((style) =>
      shown[style].flatMap((picture) => [picture, disturbed(picture, random)].map(features))
    );
    const { mean, covariance } = moments(raw.flat());
    const deviation = mean.map((_, i) => Math.sqrt(covariance[i * (mean.length + 1)]!) + 1e-6);
    const scaled = raw.map((rows) => rows.map((row) => standardise(row, mean, deviation)));
    const groups = scaled.map(moments);
    const within = shrunk(groups.map(({ covariance }) => covariance), mean.length);
    const linear = groups.map(({ mean: centre }, k) => {
      const weights = solve(within, centre);
      return [STYLE_NAMES[k]!, { weights, offset: -dot(weights, centre) / 2 }];
    });
    return new StyleClassifier(mean, deviation, Object.fromEntries(linear));
  }

  /** Features in units of their deviation over all styles. */
  features(picture: Picture): Float64Array {
    return standardise(features(picture), this.mean, this.deviation);
  }

  /** The likeliest style of a picture with these `features`. */
  styleOf(standardised: Float64Array): StyleName {
    const score = (style: StyleName) => {
      const { weights, offset } = this.linear[style];
      return dot(weights, standardised) + offset;
    };
    return STYLE_NAMES.reduce((best, style) => score(style) > score(best) ? style : best);
  }

  classify(picture: Picture): StyleName {
    return this.styleOf(this.features(picture));
  }
}

/** A style's discriminant: `weights · x + offset`. */
interface Linear {
  readonly weights: Float64Array;
  readonly offset: number;
}

function standardise(row: Float64Array, mean: Float64Array, deviation: Float64Array) {
  return row.map((value, i) => (value - mean[i]!) / deviation[i]!);
}

/** The mean of covariances, moved towards the identity. */
function shrunk(covariances: readonly Matrix[], n: number): Matrix {
  return Float64Array.from({ length: n * n }, (_, i) => {
    const sum = covariances.reduce((total, covariance) => total + covariance[i]!, 0);
    const identity = i % (n + 1) === 0 ? SHRINKAGE : 0;
    return (1 - SHRINKAGE) * sum / covariances.length + identity;
  });
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}
