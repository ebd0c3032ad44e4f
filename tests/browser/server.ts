/** `nada serve` as a process of its own, which can be ended and started again on the same data. */
import { join } from "node:path";
import { writeSafetensors } from "../../lib/checkpoint/mod.ts";
import { withClasses } from "../models/stylegan2/made_up_tensorflow.ts";
import { writeModels } from "../service/made_up_service.ts";
import { temporaryFolder } from "../temporary.ts";

const ROOT = join(import.meta.dirname!, "../..");

export function nada(args: readonly string[]): Deno.Command {
  return new Deno.Command("deno", {
    args: ["run", "-q", "-A", join(ROOT, "main.ts"), ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/**
 * With the demo models, a CLIP called "tiny" that knows single letters, and a generator called
 * "kinds" of four classes.
 */
export async function startServer() {
  const folder = temporaryFolder();
  const { clip } = await writeModels(folder.file);
  const kinds = folder.file("kinds.safetensors");
  await writeSafetensors(kinds, withClasses().tensors);
  const data = folder.file("data");
  let port = 0;
  let url = "";
  let child: Deno.ChildProcess | null = null;
  const start = async () => {
    const models = ["--clip", `tiny=${clip}`, "--generator", `kinds=${kinds}`];
    child = nada(["serve", "--port", `${port}`, "--data", data, ...models]).spawn();
    url = await firstUrl(child);
    port = Number(new URL(url).port);
  };
  /** Does nothing where it was stopped before. */
  const stop = async () => {
    const running = child;
    child = null;
    try {
      running?.kill("SIGTERM");
    } catch {
      // It has ended by itself, and whoever waits for an answer says so.
    }
    await running?.status;
  };
  await start();
  return {
    folder,
    data,
    start,
    stop,
    get url() {
      return url;
    },
    async [Symbol.asyncDispose]() {
      await stop();
      folder[Symbol.dispose]();
    },
  };
}

/** The address that it prints. What it prints later is read and dropped, so that it never waits. */
function firstUrl({ stdout, stderr }: Deno.ChildProcess): Promise<string> {
  const errors = new Response(stderr).text();
  return new Promise((resolve, reject) => {
    (async () => {
      let text = "";
      for await (const chunk of stdout.pipeThrough(new TextDecoderStream())) {
        const [url] = /http:\S+/.exec(text += chunk) ?? [];
        if (url) resolve(url);
      }
      reject(new Error(`nada serve ended: ${await errors}`));
    })();
  });
}
