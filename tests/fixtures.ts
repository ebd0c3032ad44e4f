import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Where the reference numbers lie: NADA_FIXTURES, or shared/fixtures beside the repository. */
const root = Deno.env.get("NADA_FIXTURES") ??
  fileURLToPath(new URL("../../shared/fixtures", import.meta.url));

/** Whether the reference numbers are on this machine; tests that need them are ignored otherwise. */
export const hasFixtures = existsSync(join(root, "README.md"));

/** The path of a fixture, as in `fixturePath("stylegan2/generator_32.pt")`. */
export function fixturePath(relative: string): string {
  return join(root, relative);
}
