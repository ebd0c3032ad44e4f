/** Recipes that are known to work, by what is to change. */
import type { AdaptOptions } from "./options.ts";

export interface Preset {
  readonly name: string;
  /** What it is for, in one line. */
  readonly about: string;
  readonly options: Partial<
    Pick<AdaptOptions, "steps" | "batch" | "lr" | "lrSchedule" | "mixing" | "phase">
  >;
}

/** The authors' rate for all of them. */
const RATE = { lr: 0.002, lrSchedule: "constant" } as const;

/** Step counts are those that the authors recommend for each kind of change. */
export const PRESETS: readonly Preset[] = [
  {
    name: "texture",
    about: "another style of the same thing: photo to sketch, to oil painting",
    options: { steps: 300, batch: 2, ...RATE },
  },
  {
    name: "identity",
    about: "somebody or something else of the same shape: person to white walker",
    options: { steps: 200, batch: 2, ...RATE },
  },
  {
    name: "in-domain",
    about: "a change within what the generator can draw: face to smiling face",
    options: { steps: 50, batch: 2, ...RATE },
  },
  {
    name: "shape",
    about: "another shape: dog to cat, car to tank; styles are mixed so that shapes vary",
    options: { steps: 400, batch: 4, ...RATE, mixing: 0.9 },
  },
  {
    name: "images",
    about: "a style that pictures show, given instead of a text",
    options: { steps: 500, batch: 2, ...RATE },
  },
];
