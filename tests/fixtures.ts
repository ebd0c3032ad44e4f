import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openCheckpoint } from "../lib/checkpoint/mod.ts";

/** Where the reference numbers lie: NADA_FIXTURES, or shared/fixtures beside the repository. */
const root = Deno.env.get("NADA_FIXTURES") ??
  fileURLToPath(new URL("../../shared/fixtures", import.meta.url));

/** Whether the reference numbers are on this machine; tests that need them are ignored otherwise. */
export const hasFixtures = existsSync(join(root, "README.md"));

/** The path of a fixture, as in `fixturePath("stylegan2/generator_32.pt")`. */
export function fixturePath(relative: string): string {
  return join(root, relative);
}

/** All tensors of a .safetensors fixture. */
export async function fixture(
  relative: string,
): Promise<Record<string, { shape: number[]; data: Float32Array<ArrayBuffer> }>> {
  using checkpoint = await openCheckpoint(fixturePath(relative));
  const tensors: Record<string, { shape: number[]; data: Float32Array<ArrayBuffer> }> = {};
  for (const [name, tensor] of checkpoint.tensors) {
    tensors[name] = { shape: tensor.shape, data: await tensor.read() };
  }
  return tensors;
}

/** A .json fixture; the caller says what it holds. */
export async function fixtureJson<T>(relative: string): Promise<T> {
  return JSON.parse(await Deno.readTextFile(fixturePath(relative)));
}
