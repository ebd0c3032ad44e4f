/** The parts of the loss and what each counts. */
import { UserError } from "../../../lib/errors.ts";

/** The parts, by the names that options and logs use. */
export const LOSS_PARTS = ["direction", "global", "patch", "manifold", "texture"] as const;
export type LossPart = typeof LOSS_PARTS[number];

/** The factor of each part; parts with 0 are not computed. */
export type LossWeights = Readonly<Record<LossPart, number>>;

/** The loss of the paper. */
export const DIRECTION_ONLY: LossWeights = {
  direction: 1,
  global: 0,
  patch: 0,
  manifold: 0,
  texture: 0,
};

/** Throws a UserError for weights that are no finite numbers, and where all of them are 0. */
export function checkLossWeights(weights: LossWeights): void {
  const bad = LOSS_PARTS.find((part) => !Number.isFinite(weights[part]));
  if (bad) {
    throw new UserError(
      `Cannot weigh the ${bad} loss by ${weights[bad]}: give a number, or 0 to leave it out`,
    );
  }
  if (LOSS_PARTS.every((part) => weights[part] === 0)) {
    throw new UserError(
      "Cannot train without a loss: the weights of all its parts are 0; give one of them " +
        "another, as in --lambda-direction 1",
    );
  }
}
