/** Models that go by a name instead of a path: those that nada carries. */
import { fileURLToPath } from "node:url";

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));

/** The built-in generator and CLIP, trained on a world that nada draws itself. */
const DEMO = {
  generator: here("./demo/generator.safetensors"),
  clip: here("./demo/clip.safetensors"),
};

/** The file of a generator given by path, or as "demo". */
export function generatorPath(given: string): string {
  return given === "demo" ? DEMO.generator : given;
}

/** The file or folder of a CLIP given by path, or as "demo". */
export function clipPath(given: string): string {
  return given === "demo" ? DEMO.clip : given;
}
