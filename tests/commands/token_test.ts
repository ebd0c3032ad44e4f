import assert from "node:assert/strict";
import { temporaryFolder } from "../temporary.ts";
import { fail, succeed } from "./run.ts";

Deno.test("nada token adds, lists and revokes", async () => {
  using folder = temporaryFolder();
  const data = ["--data", folder.file("data")];
  assert.equal(await succeed("token", "list", ...data), "There are no tokens");
  const token = await succeed(
    "token",
    "add",
    "web",
    "--scope",
    "read,adapt",
    "--rate",
    "60",
    ...data,
  );
  assert.match(token, /^nada_[\w-]{43}$/);
  assert.match(
    await succeed("token", "list", ...data),
    /^web {2}read,adapt {2}\d{4}-\d\d-\d\d {2}60 a minute$/,
  );
  assert.match(await fail("token", "add", "web", ...data), /there is one of that name/);
  assert.match(await fail("token", "add", "x", "--scope", "all", ...data), /Expected names from/);
  await succeed("token", "revoke", "web", ...data);
  assert.match(await fail("token", "revoke", "web", ...data), /no such token; there are: none/);
});
