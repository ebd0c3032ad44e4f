import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { writeTiny } from "../models/clip/tiny.ts";
import { testGpu } from "../gpu.ts";
import { temporaryFolder } from "../temporary.ts";
import { writeGenerator } from "./made_up_file.ts";
import { fail, succeed } from "./run.ts";

async function models(folder: ReturnType<typeof temporaryFolder>): Promise<string[]> {
  return [
    ...["--generator", await writeGenerator(folder.file("base.safetensors"))],
    ...["--clip", await writeTiny(folder.file("clip.safetensors"))],
    ...["--source", "a", "--target", "b", "--out", folder.file("run")],
  ];
}

Deno.test("nada adapt --plan prints the cost of a step and starts nothing", async () => {
  using folder = temporaryFolder();
  const printed = await succeed(
    "adapt",
    ...await models(folder),
    ...["--plan", "--batch", "3", "--precision", "f32"],
  );
  assert.match(printed, /^Step +8x8, batch 3$/m);
  assert.match(printed, /^Dispatches +\d{2,}$/m);
  assert.match(printed, /^Operations +[\d.]+ [kM]FLOP$/m);
  assert.match(printed, /^Traffic +[\d.]+ MB read and written$/m);
  assert.match(printed, /^Precision +f32/m);
  assert.match(printed, /^Memory +[\d.]+ [kM]B at most, of it$/m);
  assert(!existsSync(folder.file("run")));
});

Deno.test("nada adapt --plan --json prints one object, in which memory adds up", async () => {
  using folder = temporaryFolder();
  const { event, batch, memory: { peak, ...parts } } = JSON.parse(
    await succeed("adapt", ...await models(folder), "--plan", "--json"),
  );
  assert.deepEqual([event, batch], ["plan", 2]);
  assert.equal(peak, Object.values<number>(parts).reduce((a, b) => a + b));
});

Deno.test({
  name: "nada adapt --plan --precision f16 says what f32 would take instead",
  ignore: (await testGpu()).limits.halves !== true,
  async fn() {
    using folder = temporaryFolder();
    const printed = await succeed(
      "adapt",
      ...await models(folder),
      ...["--plan", "--precision", "f16"],
    );
    const line =
      /^Precision +f16; in f32 it would be [\d.]+ MB of traffic, [\d.]+ [kM]B of memory$/m;
    assert.match(printed, line);
  },
});

Deno.test("nada adapt --plan refuses what a run would refuse", async () => {
  using folder = temporaryFolder();
  const options = await models(folder);
  const error = await fail("adapt", ...options, "--plan", "--train-layers", "convs.9");
  assert.match(error, /convs\.9/);
  assert.match(await fail("adapt", "--plan", "--resume", "x"), /--plan with --resume/);
});
