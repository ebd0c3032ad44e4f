import assert from "node:assert/strict";
import { createCommand } from "../../commands/demo_train.ts";
import { temporaryFolder } from "../temporary.ts";

const call = (...args: string[]) => createCommand().parseAsync(args, { from: "user" });

Deno.test("demo:train refuses settings that a resumed state fixes, naming the flag", async () => {
  using folder = temporaryFolder();
  for (const flag of ["--steps", "--batch", "--seed"]) {
    await assert.rejects(
      call("generator", "--resume", flag, "3", "--out", folder.path),
      new RegExp(`^UserError: Cannot use ${flag} with --resume`),
    );
  }
});

Deno.test("demo:train --resume says that there is no state in an empty folder", async () => {
  using folder = temporaryFolder();
  await assert.rejects(
    call("clip", "--resume", "--out", folder.path),
    /clip\.state\.safetensors/,
  );
});
