import assert from "node:assert/strict";
import { deflateRawSync } from "node:zlib";
import { dict, pickle } from "./build_pickle.ts";
import { buildTorch, storage, tensor } from "./build_torch.ts";
import { buildZip, type ZipOptions, type ZipPart } from "./build_zip.ts";
import { type Bytes, bytesOf, concat, utf8 } from "./bytes.ts";
import { assertRefused, readAll, withCheckpoint } from "./open_bytes.ts";

const archive = {
  content: dict({ w: tensor(storage("FloatStorage", "0", 3), { shape: [3] }) }),
  storages: { 0: Float32Array.of(1, 2, 3) },
};

for (const zip64 of [false, true]) {
  for (const deflate of [false, true]) {
    const form = `${deflate ? "deflated" : "stored"} zip${zip64 ? "64" : ""}`;
    Deno.test(`openCheckpoint() reads a ${form} with aligned contents and a comment`, async () => {
      const zip: ZipOptions = { zip64, padding: 37, ...(zip64 ? {} : { comment: "a comment" }) };
      assert.deepEqual(await readAll(buildTorch({ ...archive, deflate, zip })), { w: [1, 2, 3] });
    });
  }
}

Deno.test("openCheckpoint() reads a large deflated storage", async () => {
  const elements = Float32Array.from({ length: 300_000 }, (_, i) => i % 1000);
  const content = tensor(storage("FloatStorage", "0", elements.length), { shape: [300, 1000] });
  const bytes = buildTorch({ content, storages: { 0: elements }, deflate: true });
  assert.ok(bytes.length < 300_000);
  await withCheckpoint(bytes, async ({ tensors }) => {
    assert.deepEqual(await tensors.get("tensor")!.read(), elements);
  });
});

const root: ZipPart = { name: "x/data.pkl", content: pickle([]) };
const other: ZipPart = { name: "x/other", content: utf8("0123456789") };

/** An archive of two files, with lies in the headers of the first, the second or at the end. */
function lying(
  first: Partial<ZipPart>,
  second: Partial<ZipPart> = {},
  options?: ZipOptions,
): Bytes {
  return buildZip([{ ...root, ...first }, { ...other, ...second }], options);
}

const size = buildZip([root, other]).length;
const offset = root.content.length + root.name.length + 30;

const REFUSED: [what: string, bytes: Bytes, reason: RegExp][] = [
  ["an encrypted file", lying({ flags: 1 }), /"x\/data.pkl" in the zip is encrypted/],
  ["strong encryption", lying({}, { flags: 0x40 }), /"x\/other" in the zip is encrypted/],
  ["another packing method", lying({ method: 14 }), /packed by zip method 14/],
  ["two files of one name", lying({ name: "x/other" }), /names "x\/other" twice/],
  ["files that overlap", lying({}, { offset: offset - 11 }), /"x\/data\.pkl" in the zip overlaps/],
  ["files that share a byte", lying({}, { offset: offset - 1 }), /header of "x\/data\.pkl" in the/],
  ["a file that is twice the same bytes", lying({}, { offset: 0 }), /overlaps what follows/],
  [
    "a file that reaches into the directory",
    lying({}, { size: 40, packedSize: 40 }),
    /"x\/other" in the zip overlaps what follows it/,
  ],
  ["a file beyond the end", lying({}, { offset: 2 ** 31 }), /overlaps what follows/],
  [
    "a 64-bit size beyond the end",
    lying({}, { size: 2n ** 63n, packedSize: 2n ** 63n }, { zip64: true }),
    /overlaps what follows/,
  ],
  [
    "a 64-bit offset beyond the end",
    lying({}, { offset: 2n ** 64n - 1n }, { zip64: true }),
    /overlaps what follows/,
  ],
  ["64-bit sizes that are missing", lying({ size: 0xffffffff }), /lacks its 64-bit sizes/],
  ["two sizes for stored bytes", lying({ size: 3 }), /cannot hold 3 bytes in/],
  [
    "a size that deflate cannot reach",
    lying({ deflate: true, size: 2 ** 30 }),
    /cannot hold 1073741824 bytes in/,
  ],
  ["headers that disagree", lying({ localMethod: 8 }), /header of "x\/data\.pkl" in the zip does/],
  [
    "a local header elsewhere",
    lying({ offset: 1 }),
    /header of "x\/data\.pkl" in the zip does not/,
  ],
  [
    "a pickle of a GiB",
    lying({ method: 8, packed: new Uint8Array(2 ** 17), size: 2 ** 27 }),
    /takes 134217728 bytes, at most 67108864 are read/,
  ],
  [
    "broken deflate data",
    lying({ method: 8, packed: new Uint8Array(30).fill(0xff) }),
    /"x\/data\.pkl" is not valid deflate data/,
  ],
  [
    "more than it declares",
    lying({ method: 8, packed: bytesOf(new Uint8Array(deflateRawSync(new Uint8Array(2 ** 24)))) }),
    /does not unpack to the \d+ bytes the zip declares/,
  ],
  [
    "less than it declares",
    lying({ deflate: true, size: 40 }),
    /does not unpack to the 40 bytes the zip declares/,
  ],
  ["a second disk", lying({}, {}, { end: { disk: 1 } }), /one part of a zip archive in several/],
  [
    "a second disk in 64 bits",
    lying({}, {}, { zip64: true, end: { disk: 1 } }),
    /one part of a zip archive in several/,
  ],
  ["too many entries announced", lying({}, {}, { end: { count: 3 } }), /2 entries where 3/],
  ["too few entries announced", lying({}, {}, { end: { count: 1 } }), /2 entries where 1/],
  [
    "2^63 entries announced",
    lying({}, {}, { zip64: true, end: { count: 2n ** 63n } }),
    /2 entries where 92233720368547\d+ are announced/,
  ],
  ["a directory past the end", lying({}, {}, { end: { offset: size } }), /directory does not fit/],
  [
    "a directory of 2^63 bytes",
    lying({}, {}, { zip64: true, end: { size: 2n ** 63n } }),
    /directory does not fit/,
  ],
  ["a directory that begins late", lying({}, {}, { end: { offset: size - 120 } }), /zip directory/],
  [
    "a directory that ends early",
    lying({}, {}, { end: { size: 60 } }),
    /entry 1 .* is (broken|cut)/,
  ],
  [
    "something before it",
    concat(utf8("PK\x03\x04"), lying({})),
    /zip directory|overlaps|header of/,
  ],
];
for (const [what, bytes, reason] of REFUSED) {
  Deno.test(`openCheckpoint() refuses a zip archive with ${what}`, async () => {
    await assertRefused(bytes, reason);
  });
}

Deno.test("read() refuses to unpack a storage of over a GiB", async () => {
  const packed = new Uint8Array(2 ** 21);
  const count = 2 ** 29;
  const content = pickle(tensor(storage("FloatStorage", "0", count), { shape: [count] }));
  const bytes = buildZip([
    { name: "x/data.pkl", content },
    { name: "x/data/0", content: packed, packed, method: 8, size: 4 * count },
  ]);
  await assertRefused(bytes, /"x\/data\/0" is deflated and takes 2147483648 bytes; at most 1 GiB/);
});
