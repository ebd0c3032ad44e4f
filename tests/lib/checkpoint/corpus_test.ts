import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { openCheckpoint } from "../../../lib/checkpoint/mod.ts";
import { CheckpointError } from "../../../lib/errors.ts";
import { temporaryFolder } from "../../temporary.ts";
import { corpus, MARKER } from "./corpus.ts";
import { peakBytes, processorSeconds } from "./resources.ts";

const MAX_SECONDS = 2;
const MAX_MIB = 512;

/** Opens a file and reads all of it; what that said. */
async function refusal(path: string): Promise<string> {
  try {
    using checkpoint = await openCheckpoint(path);
    for (const tensor of checkpoint.tensors.values()) await tensor.read();
  } catch (error) {
    assert.ok(error instanceof CheckpointError, `${path}: ${(error as Error).stack}`);
    return error.message;
  }
  throw new Error("it was accepted");
}

Deno.test("openCheckpoint() refuses every file of the corpus with its reason, at once and in little memory", async () => {
  using folder = temporaryFolder();
  const path = folder.file("model.pkl");
  const files = corpus();
  assert.ok(files.length >= 300);
  assert.equal(new Set(files.map(({ name }) => name)).size, files.length);
  const wrong: string[] = [];
  const worst = { time: 0, slowest: "", mib: 0, largest: "" };
  for (const { name, bytes, reason } of files) {
    await Deno.writeFile(path, bytes());
    const [start, before, highest] = [processorSeconds(), Deno.memoryUsage().rss, peakBytes()];
    const message = await refusal(path).catch(({ stack }) => stack);
    const time = processorSeconds() - start;
    // What the process has at the end, or had on the way where that was more than ever before.
    const most = Math.max(Deno.memoryUsage().rss, peakBytes() > highest ? peakBytes() : 0);
    const mib = (most - before) / 2 ** 20;

    const namesFile = message.startsWith(`Cannot read "${path}": `) ||
      /^Cannot read ".*" from /.test(message) && message.includes(` from "${path}": `);
    const isClear = namesFile && !message.includes("\n") && message.length < 800;
    if (!isClear || !reason.test(message)) wrong.push(`${name}: ${message}`);
    if (time > worst.time) Object.assign(worst, { time, slowest: name });
    if (mib > worst.mib) Object.assign(worst, { mib, largest: name });
  }
  assert.deepEqual(wrong, []);
  console.log(`${files.length} files; ${JSON.stringify(worst)}`);
  const readme = await Deno.readTextFile(new URL("../../../README.md", import.meta.url));
  assert.match(readme, new RegExp(`\\b${files.length} hostile and broken files are refused`));
  assert.ok(worst.time < MAX_SECONDS, `${worst.time} s for ${worst.slowest}`);
  assert.ok(worst.mib < MAX_MIB, `${worst.mib} MiB for ${worst.largest}`);
  assert.ok(!existsSync(MARKER), "a command of the corpus was run");
});
