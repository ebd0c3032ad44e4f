/**
 * The loss scale: f16 has no very small numbers, so what is computed on the way to gradients is larger
 * by a power of two, and the gradients are divided by it again. A scale that is too large shows at
 * once, as gradients that are not finite, and is halved; one that is too small would lose small
 * cotangents in silence.
 */
import { GpuError } from "../../lib/errors.ts";
import { grad } from "../../lib/graph/grad.ts";
import { div, mul } from "../../lib/graph/ops/mod.ts";
import { input, type Tensor } from "../../lib/graph/tensor.ts";

/** The input of programs that takes it. */
export const LOSS_SCALE = "loss scale";

export const FIRST_LOSS_SCALE = 2 ** 16;

/** Below this no scale helps. */
const LEAST_LOSS_SCALE = 2 ** -16;

/** Gradients of a loss by scaled cotangents. */
export function scaledGradients(loss: Tensor, wrt: readonly Tensor[]): Tensor[] {
  const scale = input(LOSS_SCALE, []);
  return grad(mul(loss, scale), wrt).map((gradient) => div(gradient, scale));
}

/** The next smaller scale. Throws a GpuError where none would help; `what` was too large. */
export function lowerLossScale(scale: number, what: string): number {
  if (scale / 2 >= LEAST_LOSS_SCALE) return scale / 2;
  throw new GpuError(
    `Cannot train in f16: ${what} are no finite numbers, however they are scaled; use ` +
      `--precision f32`,
  );
}
