import { join } from "node:path";

/** A folder of its own for one test: `using folder = temporaryFolder()` removes it at the end. */
export function temporaryFolder(): Disposable & { path: string; file(name: string): string } {
  const path = Deno.makeTempDirSync({ prefix: "nada-" });
  return {
    path,
    file: (name) => join(path, name),
    [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }),
  };
}
