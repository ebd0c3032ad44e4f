/** Thumbnails of the presets: what each makes of the demo generator. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Preset } from "../../nada/presets.ts";

/** Where the thumbnail of a preset is kept: four seeds, and below them the same after. */
export function presetPicture(name: string): string {
  return fileURLToPath(new URL(`./${name}.png`, import.meta.url));
}

/** The same where there is one, else null. */
export function findPresetPicture(name: string): string | null {
  const path = presetPicture(name);
  return existsSync(path) ? path : null;
}

/** The keyword of a thumbnail's text that says what the preset set when it was made. */
export const RECIPE = "Recipe";

/** The keyword of how the demo compared directions, which no preset sets. */
export const DIRECTION_LOSS = "Direction loss";

/** What a preset sets, as the first of them has it. */
export function recipeOf({ options }: Preset): string {
  return JSON.stringify(options);
}
