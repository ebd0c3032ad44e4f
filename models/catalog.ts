/** Models that go by a name instead of a path: those that nada carries. */
import { fileURLToPath } from "node:url";

/** The built-in generator, trained on a world that nada draws itself. */
const DEMO_GENERATOR = fileURLToPath(new URL("./demo/generator.safetensors", import.meta.url));

/** The file of a generator given by path, or as "demo". */
export function generatorPath(given: string): string {
  return given === "demo" ? DEMO_GENERATOR : given;
}

/** Paths of all of them, by name and kind. */
export function builtInModels() {
  const generators: Record<string, string> = { demo: DEMO_GENERATOR };
  const clips: Record<string, string> = {};
  return { generators, clips };
}
