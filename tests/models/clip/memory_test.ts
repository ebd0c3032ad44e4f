import assert from "node:assert/strict";
import type { TensorEntry } from "../../../lib/checkpoint/mod.ts";
import { Clip } from "../../../models/clip/mod.ts";
import { readWeight } from "../../../models/clip/values.ts";
import { legacyArchive, torchArchive } from "../../lib/checkpoint/build_state_dict.ts";
import { withCheckpoint } from "../../lib/checkpoint/open_bytes.ts";
import { foreignSafetensors } from "../../lib/checkpoint/build_safetensors.ts";
import { testGpu } from "../../gpu.ts";
import { temporaryFolder } from "../../temporary.ts";
import { writeTiny } from "./tiny.ts";

Deno.test("Clip has one weight of its image tower in memory at a time", async () => {
  using folder = temporaryFolder();
  const gpu = await testGpu();
  const clip = await Clip.open(gpu, await writeTiny(folder.file("clip.safetensors")));
  const written: ArrayBufferView[] = [];
  const write = gpu.write.bind(gpu);
  gpu.write = (range, data) => {
    const left = written.filter(({ buffer }) => !(buffer as ArrayBuffer).detached);
    assert.equal(left.length, 0, `${left.length} weights are still there`);
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

Deno.test("readWeight() leaves nothing of what it joined or turned around", async () => {
  const given: Float32Array<ArrayBuffer>[] = [];
  const part = (name: string): TensorEntry => ({
    name,
    dtype: "f32",
    shape: [2, 2],
    count: 4,
    sizeBytes: 16,
    read() {
      given.push(Float32Array.of(1, 2, 3, 4));
      return Promise.resolve(given.at(-1)!);
    },
    pieces: () => assert.fail("no pieces are needed"),
  });
  const joined = await readWeight("joined", [part("q"), part("k")], "file");
  assert.deepEqual([...joined], [1, 2, 3, 4, 1, 2, 3, 4]);
  assert.deepEqual([...await readWeight("transposed", [part("w")], "file")], [1, 3, 2, 4]);
  assert.ok(given.every(({ buffer }) => buffer.detached));
  assert.deepEqual([...await readWeight("joined", [part("w")], "file")], [1, 2, 3, 4]);
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
