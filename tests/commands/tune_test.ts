import assert from "node:assert/strict";
import { writeTiny } from "../models/clip/tiny.ts";
import { temporaryFolder } from "../temporary.ts";
import { writeGenerator } from "./made_up_file.ts";
import { fail, succeed } from "./run.ts";

Deno.test("nada tune measures what a run computes, and nothing of it a second time", async () => {
  using folder = temporaryFolder();
  const before = Deno.env.get("XDG_CACHE_HOME");
  Deno.env.set("XDG_CACHE_HOME", folder.file("cache"));
  try {
    const options = [
      ...["--generator", await writeGenerator(folder.file("base.safetensors"))],
      ...["--clip", await writeTiny(folder.file("clip.safetensors"))],
      ...["--source", "a", "--target", "b"],
    ];
    const lines = (await succeed("tune", ...options, "--json")).trimEnd().split("\n");
    const measured = lines.map((line) => JSON.parse(line));
    assert(
      measured.some(({ call }) => call.startsWith("conv_weight_grad_parts ")),
      lines.join("\n"),
    );
    for (const { call, chosen, times } of measured) {
      const names = times.map(({ kernel }: { kernel: string }) => kernel);
      assert(names.length > 1 && names.includes(chosen), call);
    }
    assert.equal(await succeed("tune", ...options), "Nothing to measure: all of it was before");
    assert.match(await fail("tune", ...options, "--batch", "0"), /--batch/);
  } finally {
    if (before === undefined) Deno.env.delete("XDG_CACHE_HOME");
    else Deno.env.set("XDG_CACHE_HOME", before);
  }
});
