/** Judging an adaptation. */
export { CLUSTER_SEED, CLUSTERS } from "./diversity.ts";
export {
  type ClipFigures,
  evaluate,
  evaluateShort,
  type Evaluation,
  LPIPS_SIDE,
  MAX_SAMPLES,
  MIN_SAMPLES,
  type ShortFigures,
} from "./evaluate.ts";
export { type Observer, observerNames, type TextObserver, textObserver } from "./observer.ts";
