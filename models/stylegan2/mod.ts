/** StyleGAN2: checkpoints in rosinality's layout, graphs, sampling. */
export * from "./architecture.ts";
export * from "./device.ts";
export * from "./generator.ts";
export * from "./latents.ts";
export * from "./noise.ts";
export * from "./sampler.ts";
export * from "./weights.ts";
