/** The directional loss (StyleGAN-NADA, Gal et al. 2022, section 4.1). */
import {
  abs,
  add,
  div,
  greaterEqual,
  mean,
  mul,
  sqrt,
  square,
  sub,
  sum,
  unit,
} from "../../../lib/graph/ops/mod.ts";
import { constant, type Tensor } from "../../../lib/graph/tensor.ts";

/**
 * Below this, a difference of two unit vectors is float32 rounding: the images are equal, and the
 * direction between them is not defined.
 */
const ROUNDING = 1e-5;

/** What the undefined direction is divided by instead: the usual distance between two embeddings. */
const USUAL_LENGTH = 0.1;

/**
 * The direction from the frozen to the adapted generator's images in CLIP's space: features
 * `[n, d]`, of any length, to unit vectors `[n, d]`.
 *
 * Equal images have no direction. The reference then adds 1e-6 to one of them, which gives a unit
 * vector of rounding noise; here the difference, which is almost 0, is divided by an ordinary
 * length, so that the loss is 1 and its gradient is finite and points along the text direction.
 */
export function editDirection(frozen: Tensor, adapted: Tensor): Tensor {
  const edit = sub(unit(adapted), unit(frozen));
  const length2 = sum(square(edit), [1], true);
  const differs = greaterEqual(length2, constant(ROUNDING ** 2));
  const safe2 = add(mul(differs, length2), mul(sub(1, differs), USUAL_LENGTH ** 2));
  return div(edit, sqrt(safe2));
}

/**
 * How the edit is compared with the wanted direction: as unit vectors by angle, or by mean squared or
 * absolute difference; or, beyond the reference, by how far it leads along that direction.
 */
export const DIRECTION_DISTANCES = ["cosine", "mse", "mae", "projection"] as const;
export type DirectionDistance = typeof DIRECTION_DISTANCES[number];

/**
 * The directional loss: how far the edit is from the wanted direction, mean over the batch; by
 * default `1 - cos` of the two, from 0 to 2 (section 4.1, equation 1); "projection" is `1 - edit ·
 * wanted` with the edit at its own length, from -1 to 3. Features `[n, d]`, the
 * wanted direction a unit vector `[1, d]` → `[]`.
 */
export function directionalLoss(
  frozen: Tensor,
  adapted: Tensor,
  wanted: Tensor,
  distance: DirectionDistance = "cosine",
): Tensor {
  const edit = editDirection(frozen, adapted);
  switch (distance) {
    case "cosine":
      // Both are unit vectors, so their cosine is their product.
      return mean(sub(1, sum(mul(edit, wanted), [1])));
    case "mse":
      return mean(square(sub(edit, wanted)));
    case "mae":
      return mean(abs(sub(edit, wanted)));
    case "projection":
      // The cosine stops pulling once the direction is right, however short the way has been.
      return mean(sub(1, sum(mul(sub(unit(adapted), unit(frozen)), wanted), [1])));
  }
}
