import assert from "node:assert/strict";
import { savedStorage } from "./build_legacy.ts";
import { array, dtype, embedded, persistent, tensorflow } from "./build_network.ts";
import { bytes, call, dict, op, type Picklable, pickle, save, tuple } from "./build_pickle.ts";
import { type Bytes, bytesOf, concat, fields } from "./bytes.ts";
import { assertRefused, readAll, withCheckpoint } from "./open_bytes.ts";

Deno.test("openCheckpoint() reads a network of persistent classes as named tensors", async () => {
  const network = persistent("Generator", {
    args: [3, "x"],
    kwargs: { z_dim: 2, mapping_kwargs: dict({ num_layers: 1 }), list: [1, 2.5, null] },
    buffers: { w_avg: embedded([5, 6], { shape: [2] }), none: null },
    modules: {
      fc0: persistent("Layer", {
        parameters: {
          weight: embedded([1, 2, 3, 4, 5, 6], { shape: [3, 2], strides: [1, 3] }),
          bias: null,
        },
        attributes: { gain: 0.5, name: "fc", sizes: [1, 2] },
      }),
    },
  });
  await withCheckpoint(pickle(dict({ G: network, step: 3 })), async (checkpoint) => {
    const { format, tensors, values, modules } = checkpoint;
    assert.equal(format, "pickle");
    assert.deepEqual([...tensors.keys()], ["G.w_avg", "G.fc0.weight"]);
    assert.deepEqual([...await tensors.get("G.fc0.weight")!.read()], [1, 4, 2, 5, 3, 6]);
    assert.deepEqual([...await tensors.get("G.w_avg")!.read()], [5, 6]);
    assert.deepEqual([...values], [["step", 3]]);
    assert.deepEqual(modules.get("G"), {
      className: "Generator",
      args: [3, "x"],
      kwargs: { z_dim: 2, mapping_kwargs: { num_layers: 1 }, list: [1, 2.5, null] },
      attributes: { training: false },
    });
    const layer = modules.get("G.fc0")!;
    assert.deepEqual(layer.attributes, { training: false, gain: 0.5, name: "fc" });
  });
});

Deno.test("openCheckpoint() reads a pickle far larger than what it keeps of it in memory", async () => {
  const large = Array.from({ length: 300_000 }, (_, i) => i % 1000);
  const content = dict({
    first: embedded(large, { shape: [300, 1000] }),
    then: embedded([7, 8], { shape: [2] }),
  });
  const { first, then } = await readAll(pickle(content));
  assert.deepEqual(first, large);
  assert.deepEqual(then, [7, 8]);
});

const floats = bytesOf(Float32Array.of(1, 2, 3, 4, 5, 6));

for (const core of ["numpy.core", "numpy._core"]) {
  Deno.test(`openCheckpoint() reads arrays and numbers of ${core}`, async () => {
    const bytearray = concat(op(0x96), fields([8, floats.length]), floats);
    const content = dict({
      rows: array([2, 3], bytes(floats), { core }),
      columns: array([2, 3], bytes(floats), { core, isColumnMajor: true }),
      buffer: call(`${core}.numeric`, "_frombuffer", bytearray, dtype("f4"), tuple(3, 2), "C"),
      // Protocol 2 has no bytes: they are the latin-1 form of a text.
      text: array([2], call("_codecs", "encode", "\0\x01\xff\x01", "latin1"), {
        core,
        type: dtype("i2"),
      }),
      number: call(
        `${core}.multiarray`,
        "scalar",
        dtype("f8"),
        bytes(bytesOf(Float64Array.of(3.5))),
      ),
    });
    await withCheckpoint(pickle(content), async ({ tensors, values }) => {
      assert.deepEqual([...values], [["number", 3.5]]);
      assert.deepEqual(tensors.get("buffer")!.shape, [3, 2]);
      assert.equal(tensors.get("text")!.dtype, "i16");
      const read = async (name: string) => [...await tensors.get(name)!.read()];
      assert.deepEqual(await read("rows"), [1, 2, 3, 4, 5, 6]);
      assert.deepEqual(await read("columns"), [1, 3, 5, 2, 4, 6]);
      assert.deepEqual(await read("buffer"), [1, 2, 3, 4, 5, 6]);
      assert.deepEqual(await read("text"), [256, 511]);
    });
  });
}

Deno.test("openCheckpoint() reads TensorFlow networks of NVIDIA's as named arrays", async () => {
  const part = tensorflow("G_synthesis", { "4x4/Conv/weight": array([2, 3], bytes(floats)) });
  const mean = array([6], bytes(floats));
  const content = tuple(
    1,
    2,
    tensorflow("G_main", { avg: mean, strength: 0.5 }, { synthesis: part }),
  );
  await withCheckpoint(pickle(content), async ({ tensors, modules }) => {
    assert.deepEqual([...tensors.keys()], ["2.avg", "2.strength", "2.synthesis.4x4/Conv/weight"]);
    assert.deepEqual([...await tensors.get("2.strength")!.read()], [0.5]);
    const name = "2.synthesis.4x4/Conv/weight";
    assert.deepEqual([...await tensors.get(name)!.read()], [1, 2, 3, 4, 5, 6]);
    assert.equal(modules.get("2")!.className, "G_main");
    assert.equal(modules.get("2.synthesis")!.className, "G_synthesis");
  });
});

const saved = savedStorage("FloatStorage", 2, Float32Array.of(1, 2));
const load = (content: Picklable) => pickle(call("torch.storage", "_load_from_bytes", content));
const BROKEN: [what: string, bytes: Bytes, reason: RegExp][] = [
  ["os.system", pickle(call("os", "system", "id")), /it asks for "os\.system"/],
  ["eval", pickle(call("builtins", "eval", "1")), /it asks for "builtins\.eval"/],
  [
    "a storage elsewhere",
    pickle(concat(tuple("storage"), op(0x51))),
    /refers to a tuple, which is/,
  ],
  ["a storage in a text", load("x"), /a storage in "x"; bytes/],
  ["a storage of another format", load(bytes(op(0x80, 2, 0x4e, 0x2e))), /begins with None, not/],
  ["half a storage", load(bytes(saved.subarray(0, 40))), /cut off/],
  ["a storage that lacks a byte", load(bytes(saved.subarray(0, -1))), /8 bytes saved in 7/],
  ["a storage with a byte more", load(bytes(concat(saved, op(0)))), /8 bytes saved in 9/],
  [
    "a persistent object without a class",
    pickle(call("torch_utils.persistence", "_reconstruct_persistent_obj", dict({}))),
    /without a class name/,
  ],
  [
    "parts of a network that are a list",
    pickle(persistent("A", { attributes: { _buffers: [] } })),
    /a list where the parts of a network belong/,
  ],
  [
    "big-endian numbers",
    pickle(array([6], bytes(floats), { type: dtype("f4", ">") })),
    /in big-endian order/,
  ],
  [
    "an array of texts",
    pickle(array([6], bytes(floats), { type: dtype("U1") })),
    /of NumPy's type "U1"; nada reads f8,f4/,
  ],
  [
    "an array of too few bytes",
    pickle(array([7], bytes(floats))),
    /array of shape \[7\] in 24 bytes, 28 bytes are needed/,
  ],
  [
    "a number of too few bytes",
    pickle(call("numpy.core.multiarray", "scalar", dtype("f8"), bytes(op(1, 2)))),
    /a NumPy number in bytes, 8 are needed/,
  ],
  [
    "bytes in another encoding",
    pickle(call("_codecs", "encode", "x", "rot13")),
    /bytes as "x" in "rot13"/,
  ],
  ["a module that holds itself", selfHolding(), /nested over 64 deep/],
];

/** A persistent object whose parts have it in them. */
function selfHolding(): Bytes {
  const itself = op(0x68, 0);
  const parts = ["_parameters", "_buffers", "_modules", "k"].map((key) =>
    concat(save(key), itself)
  );
  const state = concat(op(0x7d, 0x71, 0, 0x28), ...parts, op(0x75));
  const about = concat(
    op(0x7d, 0x28),
    save("class_name"),
    save("A"),
    save("state"),
    state,
    op(0x75),
  );
  return pickle(call("torch_utils.persistence", "_reconstruct_persistent_obj", about));
}

for (const [what, content, reason] of BROKEN) {
  Deno.test(`openCheckpoint() refuses a bare pickle with ${what}`, async () => {
    await assertRefused(content, reason);
  });
}
