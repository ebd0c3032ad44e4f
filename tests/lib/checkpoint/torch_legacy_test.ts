import assert from "node:assert/strict";
import { buildLegacy, type LegacyFile, legacyStorage } from "./build_legacy.ts";
import { dict, tuple } from "./build_pickle.ts";
import { tensor, type TensorView } from "./build_torch.ts";
import { concat } from "./bytes.ts";
import { assertRefused, readAll, withCheckpoint } from "./open_bytes.ts";

const six = legacyStorage("FloatStorage", "a", 6);
const SIX: LegacyFile = {
  content: dict({
    w: tensor(six, { shape: [2, 3] }),
    t: tensor(six, { shape: [3, 2], strides: [1, 3] }),
    last: tensor(six, { shape: [2], offset: 4 }),
    h: tensor(legacyStorage("HalfStorage", "b", 2), { shape: [2] }),
    step: 12,
  }),
  storages: { a: [6, Float32Array.of(1, 2, 3, 4, 5, 6)], b: [2, Uint16Array.of(0x3c00, 0xc000)] },
};

Deno.test("openCheckpoint() reads a PyTorch file of before 1.6 with shared and strided storages", async () => {
  await withCheckpoint(buildLegacy(SIX), async ({ format, tensors, values }) => {
    assert.equal(format, "torch legacy");
    assert.deepEqual([...values], [["step", 12]]);
    assert.deepEqual([tensors.get("h")!.dtype, tensors.get("t")!.shape], ["f16", [3, 2]]);
    assert.deepEqual([...await tensors.get("w")!.read()], [1, 2, 3, 4, 5, 6]);
    assert.deepEqual([...await tensors.get("t")!.read()], [1, 4, 2, 5, 3, 6]);
    assert.deepEqual([...await tensors.get("last")!.read()], [5, 6]);
    assert.deepEqual([...await tensors.get("h")!.read()], [1, -2]);
  });
});

Deno.test("openCheckpoint() finds the storages of such a file in the order that it declares", async () => {
  const { h, w } = await readAll(buildLegacy({
    ...SIX,
    storages: { x: SIX.storages!.b!, y: SIX.storages!.a! },
    order: ["b", "a"],
  }));
  assert.deepEqual([h, w], [[1, -2], [1, 2, 3, 4, 5, 6]]);
});

const one = Float32Array.of(1);
const BROKEN: [what: string, bytes: Uint8Array, reason: RegExp][] = [
  ["another version", buildLegacy({ ...SIX, version: 1002 }), /version 1002, not 1001/],
  ["big-endian numbers", buildLegacy({ ...SIX, littleEndian: false }), /big-endian; save it anew/],
  ["nothing after its magic number", buildLegacy(SIX).subarray(0, 15), /cut off: 1 bytes/],
  ["the last byte missing", buildLegacy(SIX).subarray(0, -1), /storage "b" takes 4 bytes/],
  ["a byte too many", concat(buildLegacy(SIX), Uint8Array.of(0)), /but \d+ bytes are there/],
  [
    "a storage left out",
    buildLegacy({ ...SIX, storages: { a: SIX.storages!.a! } }),
    /the elements of "h" are missing/,
  ],
  [
    "a storage of no tensor",
    buildLegacy({ ...SIX, storages: { ...SIX.storages, x: [1, one] } }),
    /storage "x" belongs to no tensor/,
  ],
  [
    "a storage twice",
    buildLegacy({ ...SIX, order: ["a", "a"] }),
    /lists storage "a" twice/,
  ],
  [
    "another number of elements in front of them",
    buildLegacy({ ...SIX, storages: { ...SIX.storages, b: [3, Uint16Array.of(1, 2)] } }),
    /storage "b" has 3 elements, where the pickle says 2/,
  ],
  [
    "two accounts of a storage",
    buildLegacy({
      ...SIX,
      content: [
        tensor(six, { shape: [1] }),
        tensor(legacyStorage("DoubleStorage", "a", 3), { shape: [1] }),
      ],
    }),
    /two accounts of storage "a"/,
  ],
  [
    "a storage that is part of another",
    buildLegacy({
      ...SIX,
      content: [tensor(legacyStorage("FloatStorage", "a", 6, tuple("1", 0, 2)), { shape: [1] })],
    }),
    /"a" is a part of another/,
  ],
  ["a list of storages with numbers", buildLegacy({ ...SIX, order: [3 as never] }), /has 3 in it/],
];
for (const [what, bytes, reason] of BROKEN) {
  Deno.test(`openCheckpoint() refuses a PyTorch file of before 1.6 with ${what}`, async () => {
    await assertRefused(bytes, reason);
  });
}

Deno.test("openCheckpoint() refuses strides that meet elements twice where no checksum covers them", async () => {
  const six = Float32Array.of(1, 2, 3, 4, 5, 6);
  const viewed = (view: TensorView, count = 6) =>
    buildLegacy({
      content: dict({ w: tensor(legacyStorage("FloatStorage", "a", count), view) }),
      storages: { a: [count, six.subarray(0, count)] },
    });
  const refused: TensorView[] = [
    { shape: [2, 3], strides: [1, 1] },
    { shape: [2, 3], strides: [0, 1] },
    { shape: [6], strides: [0] },
  ];
  for (const view of refused) {
    await assertRefused(viewed(view), /"w" of .*meet elements twice; save/);
  }
  const expanded = await readAll(viewed({ shape: [2, 3], strides: [0, 1] }, 3));
  assert.deepEqual(expanded.w, [1, 2, 3, 1, 2, 3]);
  assert.deepEqual((await readAll(viewed({ shape: [2, 2], strides: [1, 4] }))).w, [1, 5, 2, 6]);
});
