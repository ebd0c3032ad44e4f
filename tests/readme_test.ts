import assert from "node:assert/strict";
import { writeSafetensors } from "../lib/checkpoint/mod.ts";
import { encode } from "../models/clip/tokenizer.ts";
import { createApp } from "../routes/app.ts";
import { listen } from "../routes/listen.ts";
import { tinyTensors } from "./models/clip/tiny.ts";
import { startService } from "./service/made_up_service.ts";
import { temporaryFolder } from "./temporary.ts";

const README = await Deno.readTextFile(new URL("../README.md", import.meta.url));

/** A CLIP that knows these words, in the place of a real one. */
async function writeClip(path: string, words: string): Promise<string> {
  await writeSafetensors(path, tinyTensors(), {
    "nada.templates": JSON.stringify(["{}"]),
    "nada.vocabulary": JSON.stringify(encode(words)),
  });
  return path;
}

/** Whether a program is on the PATH. */
async function has(program: string): Promise<boolean> {
  const { success } = await new Deno.Command("/bin/sh", {
    args: ["-c", `command -v ${program}`],
    stdout: "null",
  }).output();
  return success;
}

Deno.test({
  name: "The README's curl commands do what it says",
  ignore: !await has("curl"),
  async fn() {
    const [script] = /server=http[^`]+/.exec(README) ?? [];
    assert.ok(script, "no commands were found");
    using folder = temporaryFolder();
    const clip = await writeClip(folder.file("clip.safetensors"), "photo sketch");
    await using service = await startService({ clips: { "vit-b-32": clip } });
    const listening = await listen(createApp(service.service), service.config);
    const commands = script
      .replace("http://127.0.0.1:8787", listening.url)
      .replace('"steps": 300', '"steps": 2');
    const { code, stdout, stderr } = await new Deno.Command("/bin/sh", {
      args: ["-eu", "-c", commands],
      cwd: folder.path,
      stdin: "null",
    }).output().finally(() => listening.close());
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    const out = new TextDecoder().decode(stdout);
    assert.match(out, /event: step\nid: 2\n/);
    assert.match(out, /"state":"succeeded"/);
    assert.match(out, /"dimensions":3/);
    for (const [file, start] of Object.entries({ "7.png": "\x89PNG", "sheet.webp": "RIFF" })) {
      const bytes = await Deno.readFile(folder.file(file));
      assert.equal(String.fromCharCode(...bytes.subarray(0, 4)), start, file);
    }
    assert.ok((await Deno.stat(folder.file("sketch.safetensors"))).size > 0);
  },
});
