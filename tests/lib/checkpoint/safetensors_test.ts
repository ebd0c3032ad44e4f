import assert from "node:assert/strict";
import { openCheckpoint, sha256File, writeSafetensors } from "../../../lib/checkpoint/mod.ts";
import { temporaryFolder } from "../../temporary.ts";
import { buildSafetensors } from "./build_safetensors.ts";
import { concat, fields, utf8 } from "./bytes.ts";
import { assertRefused, readAll, withCheckpoint } from "./open_bytes.ts";

Deno.test("writeSafetensors() writes what openCheckpoint() reads back bit for bit", async () => {
  using folder = temporaryFolder();
  const path = folder.file("a.safetensors");
  const values = [1.5, -0, 3.4e38, 1e-45, NaN, -Infinity];
  const whole = Float32Array.from({ length: 105 }, (_, i) => Math.sin(i));
  await writeSafetensors(path, [
    ["conv.weight", { shape: [3, 5, 7], data: whole }],
    ["10", { shape: [2, 3], data: Float32Array.from(values) }],
    ["scalar", { shape: [], data: whole.subarray(4, 5) }],
    ["empty", { shape: [3, 0], data: new Float32Array() }],
    ['größe "x"\n', { shape: [1], data: Float32Array.of(7) }],
    ["__proto__", { shape: [1], data: Float32Array.of(8) }],
  ], { base: "sha256:abc", note: "Zeile 1\nZeile 2 ü" });

  using checkpoint = await openCheckpoint(path);
  assert.equal(checkpoint.format, "safetensors");
  assert.equal(checkpoint.sizeBytes, (await Deno.stat(path)).size);
  assert.deepEqual(checkpoint.metadata, { base: "sha256:abc", note: "Zeile 1\nZeile 2 ü" });
  assert.equal(checkpoint.tensors.size, 6);
  const read = async (name: string) => [...await checkpoint.tensors.get(name)!.read()];
  assert.deepEqual(await read("10"), [...Float32Array.from(values)]);
  assert.deepEqual(await read("conv.weight"), [...whole]);
  assert.deepEqual(await read("scalar"), [Math.fround(Math.sin(4))]);
  assert.deepEqual(await read("empty"), []);
  assert.deepEqual(await read('größe "x"\n'), [7]);
  assert.deepEqual(await read("__proto__"), [8]);
  assert.deepEqual(checkpoint.tensors.get("conv.weight")!.shape, [3, 5, 7]);
});

Deno.test("writeSafetensors() gives the same bytes in whichever order the content comes", async () => {
  using folder = temporaryFolder();
  const a: [string, { shape: number[]; data: Float32Array }] = [
    "a",
    { shape: [2], data: Float32Array.of(1, 2) },
  ];
  const b: typeof a = ["b", { shape: [1], data: Float32Array.of(3) }];
  await writeSafetensors(folder.file("1"), [a, b], { x: "1", y: "2" });
  await writeSafetensors(folder.file("2"), [b, a], { y: "2", x: "1" });
  assert.equal(await sha256File(folder.file("1")), await sha256File(folder.file("2")));

  const bytes = await Deno.readFile(folder.file("1"));
  const header = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  assert.equal(header % 8, 0);
  assert.equal(bytes.length, 8 + header + 12);
});

Deno.test("writeSafetensors() refuses a wrong shape and a name taken twice, and writes nothing", async () => {
  using folder = temporaryFolder();
  const path = folder.file("a.safetensors");
  const one = { shape: [1], data: Float32Array.of(1) };
  await assert.rejects(writeSafetensors(path, [["a", { ...one, shape: [2] }]]), /1 elements for/);
  await assert.rejects(writeSafetensors(path, [["a", one], ["a", one]]), /the name is taken/);
  await assert.rejects(writeSafetensors(path, [["__metadata__", one]]), /the name is taken/);
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
});

Deno.test("sha256File() gives the digest of the whole file", async () => {
  using folder = temporaryFolder();
  await Deno.writeTextFile(folder.file("abc"), "abc");
  assert.equal(
    await sha256File(folder.file("abc")),
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
  const large = new Uint8Array(5 * 2 ** 20 + 3).map((_, i) => i * 7);
  await Deno.writeFile(folder.file("large"), large);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", large));
  assert.equal(await sha256File(folder.file("large")), digest.toHex());
  await assert.rejects(sha256File(folder.file("none")), /^CheckpointError: Cannot read .* no such/);
});

const TYPES: [dtype: string, elements: ArrayBufferView<ArrayBuffer>, values: number[]][] = [
  ["F64", Float64Array.of(0.1, -1e300), [Math.fround(0.1), -Infinity]],
  ["F32", Float32Array.of(0.1, -2), [Math.fround(0.1), -2]],
  [
    "F16", // the largest, the smallest normal and subnormal, -0, infinity
    Uint16Array.of(0x3c01, 0x7bff, 0x0400, 0x0001, 0x8000, 0x7c00, 0xc000),
    [1 + 2 ** -10, 65504, 2 ** -14, 2 ** -24, -0, Infinity, -2],
  ],
  [
    "BF16",
    Uint16Array.of(0x3f81, 0xc000, 0x0001, 0xff80, 0x8000),
    [1 + 2 ** -7, -2, 2 ** -133, -Infinity, -0],
  ],
  ["I64", BigInt64Array.of(-1n, 2n ** 40n, 49407n), [-1, 2 ** 40, 49407]],
  ["I32", Int32Array.of(-1, 2 ** 31 - 1), [-1, 2 ** 31]],
  ["I16", Int16Array.of(-32768, 32767), [-32768, 32767]],
  ["I8", Int8Array.of(-128, 127), [-128, 127]],
  ["U8", Uint8Array.of(0, 255), [0, 255]],
  ["BOOL", Uint8Array.of(0, 1, 1), [0, 1, 1]],
];
for (const [dtype, elements, values] of TYPES) {
  Deno.test(`openCheckpoint() converts ${dtype} to float32`, async () => {
    const header = {
      x: { dtype, shape: [values.length], data_offsets: [0, elements.byteLength] },
    };
    const { x } = await readAll(buildSafetensors(header, elements));
    assert.deepEqual(x, values);
  });
}

Deno.test("openCheckpoint() converts more elements than one piece holds", async () => {
  const count = 2 ** 20 + 5;
  const elements = new Uint16Array(count).map((_, i) => i % 0x7c00);
  const header = { x: { dtype: "F16", shape: [count], data_offsets: [0, 2 * count] } };
  await withCheckpoint(buildSafetensors(header, elements), async ({ tensors }) => {
    const data = await tensors.get("x")!.read();
    assert.deepEqual(data, Float32Array.from(new Float16Array(elements.buffer)));
  });
});

Deno.test("openCheckpoint() reads a few bytes of a file of 5 GiB, not the file", async () => {
  using folder = temporaryFolder();
  const path = folder.file("sparse.safetensors");
  const size = 5 * 2 ** 30;
  const header = utf8(JSON.stringify({
    first: { dtype: "F32", shape: [2 ** 28, 5], data_offsets: [0, size] },
    last: { dtype: "U8", shape: [3], data_offsets: [size, size + 3] },
  }));
  await Deno.writeFile(path, concat(fields([8, header.length]), header));
  await Deno.truncate(path, 8 + header.length + size); // a hole, which takes no room on the disk
  await Deno.writeFile(path, Uint8Array.of(5, 6, 7), { append: true });

  using checkpoint = await openCheckpoint(path);
  assert.equal(checkpoint.tensors.get("first")!.count, 5 * 2 ** 28);
  assert.deepEqual([...await checkpoint.tensors.get("last")!.read()], [5, 6, 7]);
});

Deno.test("read() of several tensors at once gives each its own elements", async () => {
  const header = Object.fromEntries(
    Array.from({ length: 20 }, (_, i) => [
      `t${i}`,
      { dtype: "F32", shape: [2], data_offsets: [8 * i, 8 * i + 8] },
    ]),
  );
  const data = Float32Array.from({ length: 40 }, (_, i) => i);
  await withCheckpoint(buildSafetensors(header, data), async ({ tensors }) => {
    const all = await Promise.all(tensors.values().map((tensor) => tensor.read()));
    assert.deepEqual(all.flatMap((values) => [...values]), [...data]);
  });
});

Deno.test("read() refuses a file that was cut after it was opened", async () => {
  using folder = temporaryFolder();
  const path = folder.file("a.safetensors");
  await writeSafetensors(path, [["x", { shape: [4], data: new Float32Array(4) }]]);
  using checkpoint = await openCheckpoint(path);
  await Deno.truncate(path, checkpoint.sizeBytes - 4);
  await assert.rejects(
    checkpoint.tensors.get("x")!.read(),
    /^CheckpointError: Cannot read "x" from ".*a.safetensors": it ends at byte \d+, while \d+/,
  );
});

const F32 = { dtype: "F32", shape: [2], data_offsets: [0, 8] };
const REFUSED: [what: string, header: unknown, bytes: number, reason: RegExp][] = [
  ["a header that is no JSON", "{]", 0, /header is not valid JSON/],
  ["a header that is no UTF-8 escape", '{"\\ud8":1}', 0, /header is not valid JSON/],
  ["a header that ends inside a text", '{"a', 0, /header is not valid JSON/],
  ["a name that occurs twice", '{"a":{},"b":{},"\\u0061":{}}', 0, /name "a" twice/],
  ["a field that occurs twice", '{"a":{"dtype":"F32","dtype":"F16"}}', 0, /name "dtype" twice/],
  ["deep nesting", `{"a":${"[".repeat(1e6)}`, 0, /nested over 8 deep/],
  ["more parts than are sensible", `{"a":[${"[],".repeat(3e6)}`, 0, /more than 4000000 parts/],
  ["an entry that is no object", { a: 3 }, 0, /"a" in its header lacks/],
  ["an entry without a shape", { a: { dtype: "F32", data_offsets: [0, 0] } }, 0, /lacks/],
  ["a type it does not know", { a: { ...F32, dtype: "F8_E4M3" } }, 8, /"a" is of type F8_E4M3/],
  [
    "a type that is a method of objects",
    { a: { ...F32, dtype: "toString" } },
    8,
    /of type toString/,
  ],
  ["a negative size", { a: { ...F32, shape: [-2, -1] } }, 8, /\[-2, -1\] is not made of whole/],
  ["a fractional size", { a: { ...F32, shape: [0.5, 4] } }, 8, /\[0.5, 4\] is not made of whole/],
  ["a size of text", { a: { ...F32, shape: ["2"] } }, 8, /\[\?\] is not made of whole/],
  ["a shape of nested lists", { a: { ...F32, shape: [[[2]]] } }, 8, /\[\?\] is not made of whole/],
  ["a shape that is no list", { a: { ...F32, shape: 2 } }, 8, /a shape that is no list/],
  ["a shape beyond any file", { a: { ...F32, shape: [2 ** 40, 2 ** 40] } }, 8, /beyond any file/],
  ["a hundred dimensions", { a: { ...F32, shape: Array(100).fill(1) } }, 8, /100 dimensions/],
  ["a shape that needs more bytes", { a: { ...F32, shape: [3] } }, 8, /0 to 8, but \[3\] of F32/],
  ["offsets in the wrong order", { a: { ...F32, data_offsets: [8, 0] } }, 8, /bytes 8 to 0/],
  ["a negative offset", { a: { ...F32, data_offsets: [-8, 0] } }, 8, /not two whole numbers/],
  ["a third offset", { a: { ...F32, data_offsets: [0, 8, 8] } }, 8, /not two whole numbers/],
  [
    "tensors that overlap",
    { a: F32, b: { ...F32, data_offsets: [4, 12] } },
    12,
    /"b", .* overlaps/,
  ],
  ["tensors with a gap", { a: F32, b: { ...F32, data_offsets: [12, 20] } }, 20, /leaves a gap/],
  ["data that is cut off", { a: F32 }, 7, /cut off: its tensors take 8 bytes, 7 are there/],
  ["data that goes on", { a: F32 }, 9, /tensors take 8 bytes, but 9 are there/],
  ["metadata of numbers", { __metadata__: { steps: 3 } }, 0, /"__metadata__" is not made of texts/],
  ["metadata that is a list", { __metadata__: ["a"] }, 0, /"__metadata__" is not made of texts/],
];
for (const [what, header, size, reason] of REFUSED) {
  Deno.test(`openCheckpoint() refuses safetensors with ${what}`, async () => {
    await assertRefused(buildSafetensors(header, new Uint8Array(size)), reason);
  });
}

Deno.test("openCheckpoint() refuses a header length beyond the file before it reads the header", async () => {
  const lengths = [100, 2 ** 31, 2 ** 32 - 1];
  for (const length of lengths) {
    await assertRefused(
      concat(fields([8, length]), utf8('{"a":{}}')),
      new RegExp(`header is said to take ${length} bytes of a file of 16`),
    );
  }
  using folder = temporaryFolder();
  const path = folder.file("large");
  await Deno.writeFile(path, concat(fields([8, 100_000_001]), utf8("{")));
  await Deno.truncate(path, 2 ** 28);
  await assert.rejects(openCheckpoint(path), /header is said to take 100000001 bytes/);
});

Deno.test("openCheckpoint() refuses a header that is not UTF-8", async () => {
  const bytes = concat(fields([8, 4]), Uint8Array.of(0x7b, 0xff, 0xff, 0x7d));
  await assertRefused(bytes, /header is not valid UTF-8/);
});

Deno.test("read() names the tensor whose bytes do not match their checksum", async () => {
  using folder = temporaryFolder();
  const path = folder.file("a.safetensors");
  const values = (x: number) => ({ shape: [2], data: Float32Array.of(x, 0.5) });
  await writeSafetensors(path, [["one", values(1)], ["two", values(2)]], { about: "this" });
  const bytes = await Deno.readFile(path);
  bytes[bytes.length - 1]! ^= 1;
  await withCheckpoint(bytes, async ({ tensors, metadata }) => {
    assert.deepEqual(metadata, { about: "this" });
    assert.deepEqual([...await tensors.get("one")!.read()], [1, 0.5]);
    await assert.rejects(
      tensors.get("two")!.read(),
      /^CheckpointError: Cannot read "two" from .*: it does not match its checksum in "nada\.crc32"/,
    );
  });
  const text = new TextDecoder("latin1").decode(await Deno.readFile(path));
  const renamed = Uint8Array.from(text.replace('"one"', '"0ne"'), (c) => c.charCodeAt(0));
  await assertRefused(renamed, /its header does not match its checksum/);
});
