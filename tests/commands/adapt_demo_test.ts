import assert from "node:assert/strict";
import { temporaryFolder } from "../temporary.ts";
import { fail, succeed } from "./run.ts";

Deno.test("nada adapt without arguments adapts the demo towards its best target", async () => {
  using folder = temporaryFolder();
  const out = folder.file("run");
  await succeed("adapt", "--steps", "2", "--n-sample", "2", "--out", out, "--quiet");
  const { options } = JSON.parse(await Deno.readTextFile(`${out}/config.json`));
  assert.match(options.generator, /models\/demo\/generator\.safetensors$/);
  assert.match(options.clips[0].path, /models\/demo\/clip\.safetensors$/);
  assert.equal(options.source, "photo");
  assert.equal(options.targets.length, 1);
  assert.equal(options.directionLoss, "projection");
  assert.equal(options.noise, "const");
  assert.equal(options.trainParams, "shift");
  assert.equal(options.lrSchedule, "cosine");
});

Deno.test("nada adapt with the demo refuses a text of which its CLIP knows no word", async () => {
  using folder = temporaryFolder();
  const message = await fail("adapt", "--target", "zebra", "--out", folder.file("run"));
  assert.match(message, /"zebra": the model knows none of its words, only .*sketch/);
});

Deno.test("nada adapt names the words that the demo's CLIP passes over", async () => {
  using folder = temporaryFolder();
  const out = folder.file("run");
  const flags = ["--steps", "1", "--n-sample", "1", "--sample-every", "0", "--json"];
  const events = await succeed("adapt", "--target", "zebra sketch", ...flags, "--out", out);
  assert.match(events, /passes over: zebra/);
});
