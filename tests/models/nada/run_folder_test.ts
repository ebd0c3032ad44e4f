import assert from "node:assert/strict";
import { DamagedRunError, RunFolder } from "../../../models/nada/run_folder.ts";
import { temporaryFolder } from "../../temporary.ts";

const CONFIG = { nada: "1", options: { steps: 300, lr: 0.002, targets: [{ text: "sketch" }] } };

Deno.test("RunFolder.open() notices every damaged bit of config.json, or it does no harm", async () => {
  using folder = temporaryFolder();
  const run = await RunFolder.create(folder.file("run"), CONFIG);
  const path = run.file("config.json");
  const bytes = await Deno.readFile(path);
  let noticed = 0;
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    await Deno.writeFile(path, flipped);
    const read = await RunFolder.open(run.path).catch((error) => {
      assert.ok(error instanceof DamagedRunError, error);
      return noticed++;
    });
    // Spaces between values, and the name "crc32": they leave everything as it was.
    if (typeof read !== "number") {
      const { nada, options } = read.config as typeof CONFIG;
      assert.deepEqual({ nada, options }, CONFIG, `bit ${bit}`);
    }
  }
  assert.ok(noticed > 4 * bytes.length, `${noticed} of ${8 * bytes.length}`);
});

Deno.test("RunFolder.open() takes a config.json without a checksum", async () => {
  using folder = temporaryFolder();
  const run = await RunFolder.create(folder.file("run"), CONFIG);
  await Deno.writeTextFile(run.file("config.json"), JSON.stringify({ ...CONFIG, nada: "2" }));
  assert.deepEqual((await RunFolder.open(run.path)).config, { ...CONFIG, nada: "2" });
});
