/** How the learning rate changes over a run. */
export const LR_SCHEDULES = ["constant", "cosine"] as const;
export type LrSchedule = typeof LR_SCHEDULES[number];

export interface RateOptions {
  /** Before the factor 4/5 of the reference. */
  readonly lr: number;
  readonly lrSchedule: LrSchedule;
  /** Steps of the whole run. */
  readonly steps: number;
}

/**
 * The learning rate of step `step` (from 0) of a run of `steps`: always `lr`, or falling from `lr`
 * towards 0 along half a cosine (Loshchilov & Hutter 2017, without restarts). Adam without momentum
 * moves every parameter by about the rate in every step, so a short run at a high rate ends in
 * noise unless the rate falls. A run that is continued beyond its end takes the rate of its new end.
 */
export function learningRate({ lr, lrSchedule, steps }: RateOptions, step: number): number {
  return lrSchedule === "constant" ? lr : lr * (1 + Math.cos(Math.PI * step / steps)) / 2;
}
