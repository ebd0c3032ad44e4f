/** Thumbnails of the presets: what each makes of the demo generator. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Where the thumbnail of a preset is kept: four seeds, and below them the same after. */
export function presetPicture(name: string): string {
  return fileURLToPath(new URL(`./${name}.png`, import.meta.url));
}

/** The same where there is one, else null. */
export function findPresetPicture(name: string): string | null {
  const path = presetPicture(name);
  return existsSync(path) ? path : null;
}
