/** The direction from one thing to another in CLIP's space. */
import { meanDirection, unitVector } from "./vectors.ts";

/**
 * Unit vector `[d]` from the mean of the normalised source features to that of the target's
 * (StyleGAN-NADA, section 4.1). One feature vector `[d]`, of any length, a template; or, as the
 * reference does with images for a target, one an image.
 */
export function textDirection(
  source: readonly ArrayLike<number>[],
  target: readonly ArrayLike<number>[],
): Float32Array<ArrayBuffer> {
  const from = meanDirection(source);
  return unitVector(meanDirection(target).map((value, k) => value - from[k]!));
}
