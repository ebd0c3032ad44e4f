import assert from "node:assert/strict";
import {
  openCheckpoint,
  sha256File,
  sidecarPath,
  sidecarText,
} from "../../../lib/checkpoint/mod.ts";
import { temporaryFolder } from "../../temporary.ts";
import { buildLegacy, legacyStorage } from "./build_legacy.ts";
import { call, dict, pickle } from "./build_pickle.ts";
import { foreignSafetensors } from "./build_safetensors.ts";
import { buildTorch, tensor } from "./build_torch.ts";
import { buildZip } from "./build_zip.ts";
import { type Bytes, utf8 } from "./bytes.ts";
import { assertRefused } from "./open_bytes.ts";

const latin1 = (text: string): Bytes => Uint8Array.from(text, (c) => c.charCodeAt(0));

const OTHER_FILES: [what: string, bytes: Uint8Array, reason: RegExp][] = [
  ["an empty file", new Uint8Array(), /it is empty/],
  ["one byte", utf8("P"), /it is plain text/],
  [
    "a PNG image",
    latin1("\x89PNG\r\n\x1a\n"),
    /a PNG image; nada reads safetensors files, PyTorch/,
  ],
  ["a JPEG image", latin1("\xff\xd8\xff\xe0"), /a JPEG image/],
  [
    "an HTML page",
    utf8("\n<!DOCTYPE html><title>Quota exceeded</title>"),
    /an HTML page: the down/,
  ],
  [
    "a git-lfs pointer",
    utf8("version https://git-lfs.github.com/spec/v1\noid sha256:1\n"),
    /a git-lfs pointer: run `git lfs pull`/,
  ],
  ["a NumPy array", latin1("\x93NUMPY\x01\x00"), /a NumPy array/],
  ["a gzip archive", latin1("\x1f\x8b\x08"), /a gzip archive: unpack it first/],
  ["a tar archive", latin1("name".padEnd(257, "\0") + "ustar\0"), /a tar archive/],
  ["JSON", utf8('{"a": [1, 2, 3]}'), /JSON text/],
  ["random bytes", Uint8Array.of(7, 200, 3, 4), /an unknown kind \(it begins with 07 c8 03 04\)/],
  ["an empty zip archive", buildZip([]), /an empty zip archive/],
  [
    "a zip archive of documents",
    buildZip([{ name: "word/document.xml", content: utf8("<x/>") }]),
    /no NAME\/data\.pkl \(it begins with "word\/document\.xml"\)/,
  ],
  [
    "half a pickle",
    pickle(dict({ a: "x".repeat(500) })).subarray(0, 300),
    /its pickle is cut off: 500 bytes are wanted, \d+ are there; fetch the file again/,
  ],
  [
    "half a safetensors file",
    foreignSafetensors([["a", { shape: [9], data: new Float32Array(9) }]]).subarray(0, -8),
    /cut off: its tensors take 36 bytes, 28 are there; fetch the file again/,
  ],
  ["half a zip archive", buildTorch({ content: [] }).subarray(0, 90), /cut off: it has no end/],
];
for (const [what, bytes, reason] of OTHER_FILES) {
  Deno.test(`openCheckpoint() says that ${what} is none, and what is`, async () => {
    await assertRefused(bytes, reason);
  });
}

Deno.test("openCheckpoint() says when there is no file, a folder, or no regular file", async () => {
  using folder = temporaryFolder();
  const none = folder.file("none.pt");
  await assert.rejects(
    openCheckpoint(none),
    new RegExp(`^CheckpointError: Cannot read "${none}": there is no such file$`),
  );
  await assert.rejects(openCheckpoint(folder.path), /it is a folder; name a file in it/);
  await assert.rejects(openCheckpoint("/dev/null"), /not a regular file|no such file/);
});

Deno.test("openCheckpoint() keeps control characters and floods out of its messages", async () => {
  const name = `\x1b[2J${"x".repeat(400)}`;
  await assertRefused(
    buildTorch({ content: call(name, "f") }),
    /^Cannot read ".*": it asks for "\ufffd\[2Jx{400}\.f"/,
  );
});

Deno.test("close() may be called again at the end of a using block", async () => {
  using folder = temporaryFolder();
  await Deno.writeFile(folder.file("a"), buildTorch({ content: [] }));
  using checkpoint = await openCheckpoint(folder.file("a"));
  checkpoint.close();
  assert.equal(checkpoint.tensors.size, 0);
});

Deno.test("read() compares a file with the sha256 beside it, where there is one", async () => {
  using folder = temporaryFolder();
  const path = folder.file("a b.pt");
  const six = Float32Array.of(1, 2, 3, 4, 5, 6);
  const content = dict({
    v: tensor(legacyStorage("FloatStorage", "k", 6), { shape: [6] }),
  });
  const bytes = buildLegacy({ content, storages: { k: [6, six] } });
  await Deno.writeFile(path, bytes);
  const sha256 = await sha256File(path);
  const read = async () => {
    using checkpoint = await openCheckpoint(path);
    assert.equal(await checkpoint.sha256(), sha256);
    return [...await checkpoint.tensors.get("v")!.read()];
  };
  const good = [sha256, sidecarText(path, sha256), `${sha256.toUpperCase()} *x/a b.pt\r\n`];
  good.push(`${"0".repeat(64)}  other.pt\n${sha256}  a b.pt\n`);
  for (const text of good) {
    await Deno.writeTextFile(sidecarPath(path), text);
    assert.deepEqual(await read(), [...six], text);
  }
  const wrong: [text: string, reason: RegExp][] = [
    [
      sidecarText(path, "0".repeat(64)),
      /^CheckpointError: Cannot read "v" .*has 0{64}: it is damaged/,
    ],
    ["", /"\S+ b\.pt\.sha256" beside it has no line of sha256sum for it; mend or remove/],
    [sidecarText("other.pt", sha256), /has no line of sha256sum for it/],
  ];
  for (const [text, reason] of wrong) {
    await Deno.writeTextFile(sidecarPath(path), text);
    await assert.rejects(read(), reason);
  }
  await Deno.remove(sidecarPath(path));
  assert.deepEqual(await read(), [...six]);
});
