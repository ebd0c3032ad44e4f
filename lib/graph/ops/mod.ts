/** Every op; importing this registers them all. */
export * from "./adamw.ts";
export * from "./conv.ts";
export * from "./crop.ts";
export * from "./elementwise.ts";
export * from "./matmul.ts";
export * from "./embedding.ts";
export * from "./normalize.ts";
export * from "./random.ts";
export * from "./reduce.ts";
export * from "./resample.ts";
export * from "./shape.ts";
export * from "./updates.ts";
export * from "./upfirdn2d.ts";
export * from "./modulated_lrelu.ts";
export * from "./warp.ts";
export * from "./pool.ts";
