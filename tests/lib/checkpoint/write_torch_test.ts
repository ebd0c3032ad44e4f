import assert from "node:assert/strict";
import fc from "fast-check";
import {
  openCheckpoint,
  type TensorData,
  type TorchValue,
  writeTorch,
} from "../../../lib/checkpoint/mod.ts";
import { UserError } from "../../../lib/errors.ts";
import { normals, seededRandom } from "../../gpu.ts";
import { temporaryFolder } from "../../temporary.ts";
import { damage, damaged } from "./damage.ts";
import { readAll, readOrRefuse } from "./open_bytes.ts";

const random = seededRandom(11);
const weight: TensorData = { shape: [3, 2, 5], data: normals(30, random) };
const half: TensorData = { shape: [7], data: Float16Array.from(normals(7, random)) };
const scalar: TensorData = { shape: [], data: Float32Array.of(2.5) };
/** A window on a larger buffer: only its own elements belong into the file. */
const part: TensorData = { shape: [4], data: normals(12, random).subarray(3, 7) };

const CONTENT = new Map<string, TorchValue>([
  ["g_ema", new Map([["b.weight", weight], ["a", half], ["mean of ß", part]])],
  ["latent_avg", scalar],
]);

Deno.test("writeTorch() writes what openCheckpoint() reads: names, types, shapes, values", async () => {
  using folder = temporaryFolder();
  const path = folder.file("g.pt");
  await writeTorch(path, CONTENT);
  using checkpoint = await openCheckpoint(path);
  assert.equal(checkpoint.format, "torch zip");
  const expected = {
    "g_ema.b.weight": weight,
    "g_ema.a": half,
    "g_ema.mean of ß": part,
    "latent_avg": scalar,
  };
  assert.deepEqual([...checkpoint.tensors.keys()], Object.keys(expected));
  for (const [name, { shape, data }] of Object.entries(expected)) {
    const tensor = checkpoint.tensors.get(name)!;
    assert.deepEqual(tensor.shape, shape);
    assert.equal(tensor.dtype, data instanceof Float16Array ? "f16" : "f32");
    assert.deepEqual(await tensor.read(), Float32Array.from(data));
  }
});

Deno.test("writeTorch() begins each storage at a multiple of 64, and gives the same bytes again", async () => {
  using folder = temporaryFolder();
  await writeTorch(folder.file("one.pt"), CONTENT);
  await writeTorch(folder.file("two.pt"), CONTENT);
  const bytes = Deno.readFileSync(folder.file("one.pt"));
  assert.deepEqual(bytes, Deno.readFileSync(folder.file("two.pt")));
  const elements = new Uint8Array(weight.data.buffer as ArrayBuffer);
  const places = bytes.keys().filter((at) => elements.every((value, i) => bytes[at + i] === value))
    .toArray();
  assert.equal(places.length, 1);
  assert.equal(places[0]! % 64, 0);
});

Deno.test("writeTorch() writes checksums: damage of any kind is found, or without effect", async () => {
  using folder = temporaryFolder();
  const path = folder.file("g.pt");
  await writeTorch(path, CONTENT);
  const good = Deno.readFileSync(path);
  const whole = await readAll(good);
  await fc.assert(
    fc.asyncProperty(damage, async (damages) => {
      const result = await readOrRefuse(damaged(good, damages), "g.pt");
      if (result !== "refused") assert.deepEqual(result, whole);
    }),
    { seed: 13, numRuns: 100 },
  );
});

Deno.test("writeTorch() leaves nothing behind where it cannot write", async () => {
  using folder = temporaryFolder();
  const path = folder.file("g.pt");
  await assert.rejects(
    writeTorch(path, new Map([["a", { shape: [2], data: new Float32Array(3) }]])),
    RangeError,
  );
  await assert.rejects(writeTorch(folder.file("no/g.pt"), CONTENT), UserError);
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
});
