/** Every op; importing this registers them all. */
export * from "./adamw.ts";
export * from "./attention.ts";
export * from "./clamped_lrelu.ts";
export * from "./conv.ts";
export * from "./crop.ts";
export * from "./elementwise.ts";
export { headScores, headSums } from "./heads.ts";
export * from "./matmul.ts";
export { matmulInParts } from "./long_sums.ts";
export * from "./embedding.ts";
export * from "./filtered_lrelu.ts";
export * from "./filtered_lrelu_axis.ts";
export * from "./normalize.ts";
export * from "./product_sums.ts";
export * from "./random.ts";
export * from "./reduce.ts";
export * from "./resample.ts";
export * from "./scale_bias.ts";
export * from "./shape.ts";
export * from "./updates.ts";
export * from "./upfirdn1d.ts";
export * from "./upfirdn2d.ts";
export * from "./modulated_lrelu.ts";
export * from "./warp.ts";
export * from "./pool.ts";
export {
  winogradConv,
  winogradOutputs,
  winogradTiles,
  winogradWeightGrad,
} from "./winograd.ts";
export { winogradConvFused, winogradFused, winogradWeights } from "./winograd_fused.ts";
