/** How many images to draw at a time. */
import type { Architecture } from "./architecture.ts";

/** More at a time gains little, and takes memory. */
const MAX_BATCH = 8;

/**
 * The largest batch, from 1 to 8, whose feature maps an adapter can bind. With 1 they may still be
 * too large for it, which compiling the program then says.
 */
export function fittingBatch(a: Architecture, bindingBytes: number): number {
  // Upsampling makes maps of one more pixel on each side before they are blurred.
  const largest = a.convs.map(({ outChannels, resolution, up }) =>
    4 * outChannels * (resolution + (up ? 1 : 0)) ** 2
  );
  return Math.max(1, Math.min(MAX_BATCH, Math.floor(bindingBytes / Math.max(...largest))));
}
