/** Models that go by a name instead of a path: those that nada carries, and those that were pulled. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { UserError } from "../lib/errors.ts";
import { findEntry } from "./registry.ts";
import { findModel, modelPath } from "./store.ts";

/** The built-in generator, trained on a world that nada draws itself. */
const DEMO_GENERATOR = fileURLToPath(new URL("./demo/generator.safetensors", import.meta.url));

/** The built-in CLIP, trained on the same world. */
const DEMO_CLIP = fileURLToPath(new URL("./demo/clip.safetensors", import.meta.url));

/** The file of a generator given by path, or by name: "demo", or as it was pulled. */
export function generatorPath(given: string): string {
  return given === "demo" ? DEMO_GENERATOR : pulledPath(given);
}

/** The file or folder of a CLIP model given by path, or by name: "demo", or as it was pulled. */
export function clipPath(given: string): string {
  return given === "demo" ? DEMO_CLIP : pulledPath(given);
}

/** The path itself where something is there; throws a UserError for a name that is yet to be pulled. */
function pulledPath(given: string): string {
  if (existsSync(given)) return given;
  const entry = findEntry(given);
  const model = findModel(entry?.name ?? given);
  if (model) return modelPath(model);
  if (!entry && !given.startsWith("hf:")) return given;
  throw new UserError(
    `Cannot open "${given}": it is a model that can be had, and not here yet; run nada pull ` +
      `"${entry?.name ?? given}"`,
  );
}

/** Paths of all of them, by name and kind. */
export function builtInModels() {
  const generators: Record<string, string> = { demo: DEMO_GENERATOR };
  const clips: Record<string, string> = { demo: DEMO_CLIP };
  return { generators, clips };
}
