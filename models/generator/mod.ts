/** Generators of every family: reading, sampling, latents. */
export * from "./batch.ts";
export * from "./device.ts";
export * from "./families.ts";
export * from "./generator.ts";
export * from "./latents.ts";
export * from "./sampler.ts";
export * from "./styles.ts";
