import assert from "node:assert/strict";
import { pictureLines } from "../../commands/terminal_picture.ts";
import { decodePng } from "../../lib/image/mod.ts";
import { presetPicture } from "../../models/demo/presets/pictures.ts";
import { PRESETS } from "../../models/nada/presets.ts";
import { succeed } from "./run.ts";

Deno.test("pictureLines() puts two pixels into a character", () => {
  const image = {
    width: 2,
    height: 2,
    channels: 3,
    data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12),
  } as const;
  assert.deepEqual(pictureLines(image, 2), [
    "\x1b[38;2;1;2;3;48;2;7;8;9m▀\x1b[38;2;4;5;6;48;2;10;11;12m▀\x1b[0m",
  ]);
  const wide = { width: 40, height: 20, channels: 3, data: new Uint8Array(2400) } as const;
  const lines = pictureLines(wide, 12);
  assert.equal(lines.length, 3);
  assert.equal(lines[0]!.match(/▀/g)!.length, 12);
});

Deno.test("nada presets says what each sets, and where its thumbnail is if there is one", async () => {
  const listed = JSON.parse(await succeed("presets", "--json"));
  assert.deepEqual(listed.map(({ name }: { name: string }) => name), PRESETS.map((p) => p.name));
  const plain = await succeed("presets");
  for (const { name, options, thumbnail } of listed) {
    const exists = await Deno.stat(presetPicture(name)).then(() => true, () => false);
    assert.equal(thumbnail, exists ? presetPicture(name) : null);
    assert.match(plain, new RegExp(`^${name} .*\\n( .*\\n)?? +--steps ${options.steps} `, "m"));
    assert.equal(plain.includes(`${name}.png`), exists);
    if (!exists) continue;
    // What is shown was made with what the preset sets.
    const { text } = decodePng(await Deno.readFile(presetPicture(name)));
    assert.deepEqual(JSON.parse(text.Recipe!), options);
    assert.equal(text.Step, String(options.steps));
    const caption = `${text.Prompt}: ${options.steps} steps`;
    assert.ok(plain.replaceAll(/\s+/g, " ").includes(caption), caption);
  }
  assert.ok(!plain.includes("\x1b"));
});
