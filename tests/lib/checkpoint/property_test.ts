import assert from "node:assert/strict";
import fc from "fast-check";
import { writeSafetensors } from "../../../lib/checkpoint/mod.ts";
import { repeats } from "../../../lib/checkpoint/strided.ts";
import { temporaryFolder } from "../../temporary.ts";
import { buildLegacy, legacyStorage } from "./build_legacy.ts";
import { dict, type Picklable, pickle, tuple } from "./build_pickle.ts";
import { buildTorch, storage, tensor } from "./build_torch.ts";
import { concat } from "./bytes.ts";
import { damage, damaged } from "./damage.ts";
import { assertRefused, readAll, readOrRefuse, withCheckpoint } from "./open_bytes.ts";
import { CHECKED, SAMPLES } from "./samples.ts";

/** The same examples in every run; what fails is printed with its seed and smallest example. */
fc.configureGlobal({ seed: 7, numRuns: 200 });

for (const [what, bytes] of Object.entries(SAMPLES)) {
  const isChecked = CHECKED.includes(what);
  Deno.test(`openCheckpoint() reads ${isChecked ? "the same" : "numbers"} or refuses a ${what} damaged in any way`, async () => {
    const whole = await readAll(bytes);
    await fc.assert(fc.asyncProperty(damage, async (damages) => {
      const result = await readOrRefuse(damaged(bytes, damages), what);
      if (isChecked && result !== "refused") assert.deepEqual(result, whole);
    }));
  });
}

/** First bytes that lead into each reader. */
const MAGIC = [
  "",
  "PK\x03\x04",
  "\x80\x02",
  "\x80\x04\x95",
  "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02",
  "\x20\0\0\0\0\0\0\0{",
].map((text) => Uint8Array.from(text, (c) => c.charCodeAt(0)));

Deno.test("openCheckpoint() reads or refuses any bytes at all", async () => {
  const files = fc.tuple(fc.constantFrom(...MAGIC), fc.uint8Array({ maxLength: 400 }));
  await fc.assert(
    fc.asyncProperty(files, async (parts) => {
      await readOrRefuse(concat(...parts), "bytes");
    }),
    { numRuns: 1000 },
  );
});

const name = fc.string({ unit: "binary", minLength: 1, maxLength: 12 })
  .filter((text) => text !== "__metadata__" && text.isWellFormed());
const floats = fc.array(fc.float({ noNaN: true }), { maxLength: 12 })
  .map((values) => Float32Array.from(values));

Deno.test("writeSafetensors() and openCheckpoint() agree on any names and values", async () => {
  using folder = temporaryFolder();
  const path = folder.file("a.safetensors");
  const contents = fc.dictionary(name, floats, { noNullPrototype: true });
  await fc.assert(fc.asyncProperty(contents, async (tensors) => {
    const entries = Object.entries(tensors);
    await writeSafetensors(
      path,
      entries.map(([key, data]) => [key, { shape: [data.length], data }]),
    );
    const read = await readAll(await Deno.readFile(path));
    assert.deepEqual(read, Object.fromEntries(entries.map(([key, data]) => [key, [...data]])));
  }));
});

/** Plain Python values as they come back: numbers and text under their keys. */
const leaf = fc.oneof(
  fc.integer(),
  // Whole numbers beyond 2^53 come as text.
  fc.double({ noNaN: true, noInteger: true }),
  fc.string({ unit: "grapheme" }),
  fc.boolean(),
);
const key = fc.stringMatching(/^[a-z]{1,6}$/);

Deno.test("openCheckpoint() reads any plain values of any pickle", async () => {
  const contents = fc.dictionary(key, fc.oneof(leaf, fc.array(leaf), fc.dictionary(key, leaf)), {
    noNullPrototype: true,
  });
  await fc.assert(fc.asyncProperty(contents, async (values) => {
    const expected: [string, unknown][] = [];
    const convert = (value: unknown, path: string): Picklable => {
      if (typeof value !== "object" || value === null) {
        expected.push([path, value]);
        return value as Picklable;
      }
      const items = Object.entries(value);
      const converted = items.map(([k, v]) => [k, convert(v, path ? `${path}.${k}` : k)] as const);
      return Array.isArray(value)
        ? tuple(...converted.map(([, v]) => v))
        : dict(Object.fromEntries(converted));
    };
    const content = convert(values, "");
    for (const bytes of [pickle(content), buildTorch({ content }), buildLegacy({ content })]) {
      await withCheckpoint(bytes, (checkpoint) => {
        assert.deepEqual([...checkpoint.values], expected);
        return Promise.resolve();
      });
    }
  }));
});

Deno.test("openCheckpoint() gathers any view of a storage", async () => {
  const elements = Float32Array.from({ length: 60 }, (_, i) => i);
  const views = fc.record({
    axes: fc.array(fc.tuple(fc.integer({ min: 0, max: 4 }), fc.nat(7)), { maxLength: 4 }),
    offset: fc.nat(20),
  }).filter(({ axes, offset }) =>
    offset + axes.reduce((end, [size, stride]) => end + Math.max(0, size - 1) * stride, 0) < 60
  );
  await fc.assert(fc.asyncProperty(views, async ({ axes, offset }) => {
    const [shape, strides] = [axes.map(([size]) => size), axes.map(([, stride]) => stride)];
    const expected = axes.reduce(
      (from, [size, stride]) =>
        from.flatMap((at) => Array.from({ length: size }, (_, i) => at + i * stride)),
      [offset],
    );
    const view = { shape, strides, offset };
    const zip = buildTorch({
      content: dict({ a: tensor(storage("FloatStorage", "s", 60), view) }),
      storages: { s: elements },
    });
    const legacy = buildLegacy({
      content: dict({ a: tensor(legacyStorage("FloatStorage", "s", 60), view) }),
      storages: { s: [60, elements] },
    });
    assert.deepEqual((await readAll(zip)).a, expected);
    if (repeats(view, 60)) await assertRefused(legacy, /which meet elements twice/);
    else assert.deepEqual((await readAll(legacy)).a, expected);
  }));
});
