import assert from "node:assert/strict";
import type { TensorEntry } from "../../../lib/checkpoint/mod.ts";
import { Clip } from "../../../models/clip/mod.ts";
import { weightPieces } from "../../../models/clip/values.ts";
import { assertClose } from "../../assert.ts";
import { legacyArchive, torchArchive } from "../../lib/checkpoint/build_state_dict.ts";
import { withCheckpoint } from "../../lib/checkpoint/open_bytes.ts";
import { foreignSafetensors } from "../../lib/checkpoint/build_safetensors.ts";
import { testGpu } from "../../gpu.ts";
import { temporaryFolder } from "../../temporary.ts";
import { writeTiny } from "./tiny.ts";

Deno.test("Clip has one piece of a weight of its image tower in memory at a time", async () => {
  using folder = temporaryFolder();
  const gpu = await testGpu();
  const clip = await Clip.open(gpu, await writeTiny(folder.file("clip.safetensors")));
  const written: ArrayBufferView[] = [];
  const write = gpu.write.bind(gpu);
  gpu.write = (range, data) => {
    const left = written.filter(({ buffer }) => !(buffer as ArrayBuffer).detached);
    assert.equal(left.length, 0, `${left.length} pieces are still there`);
    written.push(data as ArrayBufferView);
    write(range, data);
  };
  try {
    const state = await clip.imageState();
    assert.equal(written.length, Object.keys(state).length);
  } finally {
    gpu.write = write;
    clip.dispose();
  }
});

/** A tensor that comes in pieces of two elements, and all that it gave out. */
function inPieces(shape: number[], data: number[]) {
  const given: Float32Array<ArrayBuffer>[] = [];
  const give = (from: number, to: number) => {
    given.push(Float32Array.from(data.slice(from, to)));
    return given.at(-1)!;
  };
  const entry: TensorEntry = {
    name: "t",
    dtype: "f32",
    shape,
    count: data.length,
    sizeBytes: 4 * data.length,
    read: () => Promise.resolve(give(0, data.length)),
    async *pieces() {
      for (let at = 0; at < data.length; at += 2) yield await Promise.resolve(give(at, at + 2));
    },
  };
  return { entry, given };
}

const asArrays = async (pieces: AsyncIterable<Float32Array>) =>
  (await Array.fromAsync(pieces)).map((piece) => [...piece]);

Deno.test("weightPieces() joins and scales piece by piece, whatever channel a piece ends in", async () => {
  const [q, k] = [inPieces([2, 2], [1, 2, 3, 4]), inPieces([1, 2], [5, 6])];
  const joined = weightPieces("joined", [q.entry, k.entry], "file");
  assert.deepEqual(await asArrays(joined), [[1, 2], [3, 4], [5, 6]]);

  const convolution = inPieces([2, 3, 1, 1], [1, 2, 3, 4, 5, 6]).entry;
  const [weight, variance] = [inPieces([2], [3, -2]), inPieces([2], [0.25, 4])];
  const parts = [convolution, weight.entry, variance.entry];
  const scaled = await asArrays(weightPieces("scaled", parts, "file"));
  const [a, b] = [3 / Math.sqrt(0.25 + 1e-5), -2 / Math.sqrt(4 + 1e-5)];
  assert.deepEqual(scaled.map(({ length }) => length), [2, 2, 2]);
  assertClose(scaled.flat(), [a, 2 * a, 3 * a, 4 * b, 5 * b, 6 * b], 1e-7, "scaled");
});

Deno.test("weightPieces() leaves nothing of what it turned around", async () => {
  const { entry, given } = inPieces([2, 2], [1, 2, 3, 4]);
  assert.deepEqual(await asArrays(weightPieces("transposed", [entry], "file")), [[1, 3, 2, 4]]);
  assert.ok(given.every(({ buffer }) => buffer.detached));
});

const rows = 1100;
const table = {
  shape: [rows, 1000],
  data: Float32Array.from({ length: rows * 1000 }, (_, i) => i % 977),
};
const FILES = [
  ["safetensors", foreignSafetensors([["table", table]])],
  ["PyTorch's archives", torchArchive(new Map([["table", table]]), "", "f16")],
  ["PyTorch's files of before 1.6", legacyArchive(new Map([["table", table]]))],
] as const;
for (const [what, bytes] of FILES) {
  Deno.test(`pieces() gives a large tensor of ${what} bit by bit`, async () => {
    await withCheckpoint(bytes, async ({ tensors }) => {
      const whole = new Float32Array(rows * 1000);
      let [at, count] = [0, 0];
      for await (const piece of tensors.get("table")!.pieces()) {
        assert.ok(piece.byteLength <= 2 ** 22);
        whole.set(piece, at);
        at += piece.length;
        count++;
      }
      assert.deepEqual([at, count], [whole.length, 2]);
      assert.deepEqual(whole, table.data);
    });
  });
}
