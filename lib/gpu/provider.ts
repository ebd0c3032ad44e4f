/** Who implements WebGPU: Deno, or the npm package `webgpu`, which is Dawn. */
import { GpuError, UserError } from "../errors.ts";

/** "builtin" is Deno's own. */
export const PROVIDERS = ["builtin", "dawn"] as const;
export type Provider = typeof PROVIDERS[number];

/** The variable that chooses one for a process and all of its workers. */
export const PROVIDER_VARIABLE = "NADA_GPU";

/** Throws a UserError where the name is no provider's. */
export function checkProvider(name: string): Provider {
  const found = PROVIDERS.find((provider) => provider === name);
  if (found) return found;
  throw new UserError(`Cannot use "${name}" for the GPU: there are ${PROVIDERS.join(" and ")}`);
}

/** The implementation that NADA_GPU names, "builtin" where it is not set. */
export async function webgpu(): Promise<GPU> {
  const provider = checkProvider(Deno.env.get(PROVIDER_VARIABLE) || "builtin");
  if (provider === "builtin") return navigator.gpu;
  dawn ??= openDawn();
  return await dawn;
}

/**
 * Pinned here and not in deno.json: what stands there is fetched by everybody, and these are 21 MB of
 * native code for each system.
 */
const DAWN_PACKAGE = "npm:webgpu@0.6.2";

/** Adapters live no longer than the instance of Dawn that they come from, so there is one. */
let dawn: Promise<GPU> | undefined;

async function openDawn(): Promise<GPU> {
  try {
    const { create } = await import(DAWN_PACKAGE);
    // Without it, Dawn does not offer what is still experimental: tensor cores (matrix.ts).
    return create(["enable-dawn-features=allow_unsafe_apis"]);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new GpuError(`Cannot load Dawn: ${(error as Error).message}; leave out --gpu dawn`);
  }
}
