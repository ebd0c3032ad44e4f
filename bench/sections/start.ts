/** From the start of the process to the first image in a file. */
import type { Opener, Subject } from "../subject.ts";

export function startOpeners(): Opener[] {
  const open = () => Promise.resolve(firstImage());
  return [{ name: "nada sample --generator demo --seeds 0", open }];
}

function firstImage(): Subject {
  const folder = Deno.makeTempDirSync({ prefix: "nada-bench-" });
  return {
    work: null,
    memoryBytes: null,
    peer: null,
    async run() {
      const start = performance.now();
      const { success } = await new Deno.Command("deno", {
        args: ["run", "-q", "-P", "main.ts"]
          .concat(
            "sample",
            "--generator",
            "demo",
            "--seeds",
            "0",
            "--out",
            `${folder}/image.png`,
            "--overwrite",
          ),
        cwd: `${import.meta.dirname}/../..`,
        stdout: "null",
        stderr: "null",
      }).output();
      if (!success) throw new Error("Cannot measure the start: nada sample failed");
      return (performance.now() - start) / 1e3;
    },
    [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }),
  };
}
