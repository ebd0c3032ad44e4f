/** How many images to draw at a time. */
import { type Architecture, generatorOf } from "./families.ts";

/** More at a time gains little, and takes memory. */
const MAX_BATCH = 8;

/**
 * The largest batch, from 1 to 8, whose feature maps an adapter can bind. With 1 they may still be
 * too large for it, which compiling the program then says.
 */
export function fittingBatch(a: Architecture, bindingBytes: number): number {
  const largestBytes = 4 * generatorOf(a).largestMap;
  return Math.max(1, Math.min(MAX_BATCH, Math.floor(bindingBytes / largestBytes)));
}

/** The same for what is drawn beside a step of training, which holds most of the memory. */
export function batchBesideStep(a: Architecture, bindingBytes: number): number {
  return fittingBatch(a, Math.min(bindingBytes, 2 ** 27));
}
