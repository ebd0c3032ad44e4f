/** Replaces a file by its next version, and stops before or after one of the calls that this takes. */
import { writeFileAtomic } from "../../lib/files.ts";

/** In their order: the file is opened, and at last its folder. */
export const WRITE_CALLS = ["open", "write", "sync", "rename", "open", "sync"] as const;

export function textOf(version: number): string {
  return `${version}\n`.repeat(5000);
}

type Calls = Record<string, (...args: unknown[]) => Promise<unknown>>;

/** Stops before (half way through a write) or after the `index`-th of these calls. */
function stopAt(index: number, after: boolean): void {
  let count = 0;
  const intercept = (calls: Calls, name: string) => {
    const own = calls[name]!;
    calls[name] = async function (...args) {
      const isIt = count++ === index;
      if (isIt && !after) {
        if (name === "write") await own.call(this, (args[0] as Uint8Array).subarray(0, 5000));
        await stay();
      }
      const result = await own.apply(this, args);
      if (isIt) await stay();
      return result;
    };
  };
  const file = Deno.FsFile.prototype as unknown as Calls;
  const deno = Deno as unknown as Calls;
  intercept(deno, "open");
  intercept(deno, "rename");
  intercept(file, "write");
  intercept(file, "sync");
}

/** Says so and waits to be killed. */
async function stay(): Promise<void> {
  console.log("here");
  await new Promise((resolve) => setTimeout(resolve, 2 ** 30));
}

if (import.meta.main) {
  const [path, version, call, after] = Deno.args as [string, string, string, string];
  stopAt(Number(call), after === "true");
  await writeFileAtomic(path, textOf(Number(version)));
}
