/** Every candidate's figures for one style. */
import type { Gpu } from "../../../lib/gpu/device.ts";
import { type Picture, truth as trueRendering } from "../world/mod.ts";
import { type Candidate, type CandidateOptions, CANDIDATES, picturesOf } from "./candidates.ts";
import type { StyleClassifier } from "./classifier.ts";
import { type Figures, Measure } from "./figures.ts";
import { rowsOf } from "./latents.ts";

export interface StyleEvaluation {
  readonly figures: CandidateFigures;
  readonly drawn: ReadonlyMap<Candidate, readonly Picture[]>;
  readonly truth: readonly Picture[];
}

/** Of all candidates, or of those that have to be there. */
export type CandidateFigures =
  & Readonly<Record<"before" | "adapted", Figures>>
  & Readonly<Partial<Record<Candidate, Figures>>>;

/** Trains the candidates and measures their pictures of z `[n, 64]`. */
export async function evaluateStyle(
  gpu: Gpu,
  classifier: StyleClassifier,
  z: Float32Array<ArrayBuffer>,
  options: CandidateOptions,
  candidates: readonly Candidate[] = CANDIDATES,
): Promise<StyleEvaluation> {
  const drawn = new Map<Candidate, readonly Picture[]>();
  for (const candidate of candidates) {
    drawn.set(candidate, await picturesOf(gpu, candidate, z, options));
  }
  const truth = rowsOf(z).map((row) => trueRendering(row, options.style));
  const measure = new Measure(classifier, options.style, truth, drawn.get("before")!);
  const figures = Object.fromEntries(
    drawn.entries().map(([candidate, pictures]) => [candidate, measure.figures(pictures)]),
  ) as CandidateFigures;
  return { figures, drawn, truth };
}
