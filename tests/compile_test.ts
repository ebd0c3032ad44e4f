import assert from "node:assert/strict";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import config from "../deno.json" with { type: "json" };
import { sha256File } from "../lib/checkpoint/mod.ts";
import { writeModels } from "./service/made_up_service.ts";
import { faultyServer, proper } from "./lib/download/faulty_server.ts";
import { temporaryFolder } from "./temporary.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Runs Deno through the shell, which is all that tests may start. */
function deno(args: readonly string[], cwd = ROOT): Deno.Command {
  return new Deno.Command("/bin/sh", {
    args: ["-c", 'exec deno "$@"', "sh", ...args],
    cwd,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** What `deno task compile` puts into the binary: the modules of its entries, and other files. */
async function embedded(): Promise<string[]> {
  const words = config.tasks.compile.split(" ");
  const included = words.flatMap((word, i) => word === "--include" ? [words[i + 1]!] : []);
  const entries = [words.at(-1)!, ...included.filter((path) => path.endsWith(".ts"))];
  const files = new Set(included);
  for (const entry of entries) {
    const { stdout } = await deno(["info", "--json", entry]).output();
    const { modules } = JSON.parse(new TextDecoder().decode(stdout));
    for (const { local } of modules as { local?: string }[]) {
      const path = local === undefined ? ".." : relative(ROOT, local);
      if (!path.startsWith("..")) files.add(path);
    }
  }
  return [...files];
}

/** Copies what is compiled into the binary to a new folder. */
async function unpack(copy: string): Promise<void> {
  const members = config.workspace.map((member) => join(member, "deno.json"));
  for (const path of [...await embedded(), "deno.json", "deno.lock", ...members]) {
    await Deno.mkdir(dirname(join(copy, path)), { recursive: true });
    await Deno.copyFile(join(ROOT, path), join(copy, path));
  }
}

/** Deno with the permissions of the binary, and no others of this machine's nada. */
function binary(copy: string, script: string, ...args: string[]): string[] {
  return [
    ...["run", "-q", "--no-prompt", "--config", join(copy, "deno.json"), "-P=binary"],
    ...[`--deny-read=${ROOT}`, script, ...args],
  ];
}

Deno.test("The binary can pull, and commands that need no network give it up", async () => {
  using folder = temporaryFolder();
  const copy = folder.file("binary");
  await unpack(copy);
  const { generator } = await writeModels(folder.file);
  const content = await Deno.readFile(generator);
  const sha256 = await sha256File(generator);
  await using server = faultyServer((asked) => proper(content, '"g"', asked));
  const store = folder.file("models");
  const pull = ["--models-dir", store, "pull", `${server.origin}/g.safetensors`];
  const main = join(copy, "main.ts");
  const run = async (args: string[]) => {
    const { code, stdout, stderr } = await deno(args, folder.path).output();
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assert.equal(code, 0, err);
    return out!;
  };
  assert.match(await run(binary(copy, main, ...pull, "--sha256", sha256)), /^Pulled/);
  assert.match(await run(binary(copy, main, "--models-dir", store, "models")), /^ {2}g /m);

  const script = folder.file("states.ts");
  await Deno.writeTextFile(
    script,
    `import { commands } from "${copy}/commands/mod.ts";
    import { giveUpNetwork } from "${main}";
    const state = () => Deno.permissions.querySync({ name: "net" }).state;
    const keeping = commands.filter(({ network }) => network);
    keeping.forEach(giveUpNetwork);
    console.log(keeping.map(({ name }) => name).join(" "), state());
    giveUpNetwork(commands.find(({ network }) => !network));
    console.log(state());`,
  );
  assert.equal(await run(binary(copy, script)), "pull serve ps granted\nprompt\n");
});

Deno.test("What is compiled into the binary is all that the service opens", async () => {
  using folder = temporaryFolder();
  const copy = folder.file("binary");
  await unpack(copy);
  const { generator, clip } = await writeModels(folder.file);
  const empty = folder.file("empty");
  await Deno.mkdir(empty);
  const child = deno([
    ...["run", "-q", "--no-prompt", "--config", join(copy, "deno.json"), "-P=serve"],
    ...["--allow-net=127.0.0.1", `--allow-write=${empty}`, `--deny-read=${ROOT}`],
    ...[join(copy, "main.ts"), "serve", "--port", "0", "--data", join(empty, "data")],
    ...["--generator", `small=${generator}`, "--clip", `tiny=${clip}`],
  ], empty).spawn();
  try {
    const errors = new Response(child.stderr).text();
    const url = await firstUrl(child.stdout);
    assert.ok(url, await Promise.race([errors, Promise.resolve("it printed no address")]));
    const status = async (path: string, body?: object) => {
      const response = await fetch(url + path, {
        headers: { accept: "text/html" },
        ...body && {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body),
        },
      });
      const text = await response.text();
      assert.equal(response.status, 200, `${path}: ${text.slice(0, 500)}`);
      return text;
    };
    // Opening the device takes longer than a request waits for it, where the machine is busy.
    for (let isReady = false; !isReady;) {
      const { ok, body } = await fetch(`${url}/readyz`);
      await body?.cancel();
      isReady = ok;
    }
    assert.match(await status("/"), /<div id="page">/);
    await status("/ui/page.js");
    await status("/docs");
    await status("/openapi.json");
    await status("/v1/generators/demo/samples/1.png");
    await status("/v1/generators/demo/samples", { seeds: "0-3", format: "webp" });
    await status("/v1/clip/embeddings", { clip: "tiny", texts: ["a"] });
    const asked = { source: "a", target: "b", generator: "small", clip: "tiny", steps: 1 };
    assert.match(await status("/v1/adaptations?wait=true", asked), /"state":"succeeded"/);
    child.kill("SIGTERM");
    assert.doesNotMatch(await errors, /NotCapable|not found/);
    assert.equal((await child.status).code, 0);
  } finally {
    try {
      child.kill("SIGKILL");
    } catch { /* it has ended */ }
    await child.status;
  }
});

async function firstUrl(stdout: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string | null> {
  let text = "";
  for await (const chunk of stdout.pipeThrough(new TextDecoderStream())) {
    const [url] = /http:\S+/.exec(text += chunk) ?? [];
    if (url) return url;
  }
  return null;
}
