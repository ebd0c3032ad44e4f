/** LPIPS: how far apart two images look. */
export { checkSide, Lpips, type LpipsDistances } from "./lpips.ts";
export { type LpipsWeights, readLpips } from "./weights.ts";
