import assert from "node:assert/strict";
import { UserError } from "../../lib/errors.ts";
import { writeAtomic, writeFileAtomic } from "../../lib/files.ts";
import { temporaryFolder } from "../temporary.ts";

function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
}

Deno.test("writeFileAtomic() writes text and bytes, and replaces what was there", async () => {
  using folder = temporaryFolder();
  const path = folder.file("log.txt");
  await writeFileAtomic(path, "erst größer");
  assert.equal(await Deno.readTextFile(path), "erst größer");
  await writeFileAtomic(path, new Uint8Array([1, 2, 3]));
  assert.deepEqual(await Deno.readFile(path), new Uint8Array([1, 2, 3]));
  assert.deepEqual(names(folder.path), ["log.txt"]);
});

Deno.test("writeAtomic() shows the old file until the body is done", async () => {
  using folder = temporaryFolder();
  const path = folder.file("a.bin");
  await writeFileAtomic(path, "old");
  await writeAtomic(path, async (write) => {
    await write("new ");
    await write(new Uint8Array(300_000).fill(65));
    assert.equal(await Deno.readTextFile(path), "old");
  });
  const text = await Deno.readTextFile(path);
  assert.equal(text.length, 300_004);
  assert.ok(text.startsWith("new AA"));
});

Deno.test("writeAtomic() keeps the old file and leaves nothing behind when the body fails", async () => {
  using folder = temporaryFolder();
  const path = folder.file("a.bin");
  await writeFileAtomic(path, "old");
  const failing = writeAtomic(path, async (write) => {
    await write("half");
    throw new TypeError("from the body");
  });
  await assert.rejects(failing, new TypeError("from the body"));
  assert.equal(await Deno.readTextFile(path), "old");
  assert.deepEqual(names(folder.path), ["a.bin"]);
});

Deno.test("writeFileAtomic() names the folder that does not exist", async () => {
  using folder = temporaryFolder();
  const path = folder.file("missing/a.bin");
  await assert.rejects(
    writeFileAtomic(path, "x"),
    new UserError(
      `Cannot write "${path}": the folder "${folder.file("missing")}" does not exist; ` +
        `create it or write elsewhere`,
    ),
  );
});

Deno.test("writeFileAtomic() does not replace a folder, and leaves nothing behind", async () => {
  using folder = temporaryFolder();
  const path = folder.file("taken");
  await Deno.mkdir(folder.file("taken/inside"), { recursive: true });
  await assert.rejects(writeFileAtomic(path, "x"), UserError);
  assert.deepEqual(names(folder.path), ["taken"]);
});
