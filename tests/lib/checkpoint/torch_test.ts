import assert from "node:assert/strict";
import {
  call,
  dict,
  instance,
  named,
  op,
  orderedDict,
  pickle,
  save,
  tuple,
} from "./build_pickle.ts";
import type { Picklable } from "./build_pickle.ts";
import { buildTorch, storage, tensor } from "./build_torch.ts";
import { buildZip } from "./build_zip.ts";
import { concat, fields, utf8 } from "./bytes.ts";
import { assertRefused, readAll, withCheckpoint } from "./open_bytes.ts";

const count24 = Float32Array.from({ length: 24 }, (_, i) => i + 0.5);
const over24 = storage("FloatStorage", "0", 24);

/** The tensors of an archive whose storage "0" counts 0.5, 1.5, … 23.5. */
function readOver24(content: Picklable): Promise<Record<string, number[]>> {
  return readAll(buildTorch({ content, storages: { 0: count24 } }));
}

Deno.test("openCheckpoint() joins the keys of nested dicts, lists and tuples by dots", async () => {
  const one = tensor(over24, { shape: [1] });
  const bytes = buildTorch({
    content: dict({
      g_ema: orderedDict({ "conv1.conv.weight": tensor(over24, { shape: [2, 3] }) }),
      g_optim: dict({
        state: new Map<Picklable, Picklable>([[0, dict({ step: 301, exp_avg: one })]]),
        param_groups: [dict({ lr: 0.002, betas: tuple(0, 0.99), params: [0, 1] })],
      }),
      nothing: null,
      empty: [],
    }),
    storages: { 0: count24 },
  });
  await withCheckpoint(bytes, ({ format, tensors, values, metadata }) => {
    assert.equal(format, "torch zip");
    assert.deepEqual(metadata, {});
    assert.deepEqual([...tensors.keys()], ["g_ema.conv1.conv.weight", "g_optim.state.0.exp_avg"]);
    assert.deepEqual(tensors.get("g_ema.conv1.conv.weight")!.shape, [2, 3]);
    assert.deepEqual(Object.fromEntries(values), {
      "g_optim.state.0.step": 301,
      "g_optim.param_groups.0.lr": 0.002,
      "g_optim.param_groups.0.betas.0": 0,
      "g_optim.param_groups.0.betas.1": 0.99,
      "g_optim.param_groups.0.params.0": 0,
      "g_optim.param_groups.0.params.1": 1,
    });
    return Promise.resolve();
  });
});

Deno.test("openCheckpoint() reads the options of a training script as values", async () => {
  const content = dict({
    args: instance("argparse", "Namespace", dict({ size: 1024, path: "ffhq", wandb: false })),
    ada_aug_p: 0.25,
    device: call("torch", "device", "cuda", 0),
    dtype: named("torch", "float16"),
    shape: call("torch", "Size", [3, 4]),
    seed: 2n ** 80n,
    step: 2 ** 40,
    negative: -5n,
  });
  await withCheckpoint(buildTorch({ content }), ({ tensors, values }) => {
    assert.equal(tensors.size, 0);
    assert.deepEqual(Object.fromEntries(values), {
      "args.size": 1024,
      "args.path": "ffhq",
      "args.wandb": false,
      ada_aug_p: 0.25,
      device: "cuda",
      dtype: "torch.float16",
      "shape.0": 3,
      "shape.1": 4,
      seed: "1208925819614629174706176",
      step: 2 ** 40,
      negative: -5,
    });
    return Promise.resolve();
  });
});

Deno.test("openCheckpoint() reads what protocols 4 and 5 write", async () => {
  const short = (text: string) => concat(op(0x8c, text.length), utf8(text), op(0x94)); // MEMOIZE
  const stackGlobal = concat(short("collections"), short("OrderedDict"), op(0x93, 0x94));
  const data = concat(
    op(0x80, 4, 0x95),
    fields([8, 99]),
    stackGlobal,
    op(0x29, 0x52, 0x94, 0x28),
    short("a"),
    op(0x4d, 1, 2), // 513
    short("b"),
    op(0x68, 1), // "OrderedDict" again
    short("c"),
    op(0x43, 2, 7, 7), // bytes, which leave no trace
    short("d"),
    op(0x88, 0x75, 0x2e),
  );
  const bytes = buildZip([{ name: "x/data.pkl", content: data }]);
  await withCheckpoint(bytes, ({ values }) => {
    assert.deepEqual(Object.fromEntries(values), { a: 513, b: "OrderedDict", d: true });
    return Promise.resolve();
  });
});

Deno.test('openCheckpoint() calls a tensor that is saved alone "tensor"', async () => {
  assert.deepEqual(await readOver24(tensor(over24, { shape: [2], offset: 3 })), {
    tensor: [3.5, 4.5],
  });
});

Deno.test("openCheckpoint() unwraps parameters", async () => {
  const inner = tensor(over24, { shape: [2] });
  assert.deepEqual(
    await readOver24([
      call("torch._utils", "_rebuild_parameter", inner, true, dict({})),
      call("torch._utils", "_rebuild_parameter_with_state", inner, true, dict({}), dict({ a: 1 })),
    ]),
    { 0: [0.5, 1.5], 1: [0.5, 1.5] },
  );
});

Deno.test("read() follows strides: transposed, sliced, repeated, shared and empty views", async () => {
  const values = await readOver24(dict({
    whole: tensor(over24, { shape: [2, 3, 4] }),
    transposed: tensor(over24, { shape: [4, 3], strides: [1, 4] }),
    column: tensor(over24, { shape: [6], strides: [4], offset: 3 }),
    inner: tensor(over24, { shape: [2, 2, 2], strides: [12, 4, 1], offset: 5 }),
    permuted: tensor(over24, { shape: [3, 2, 4], strides: [4, 12, 1] }),
    repeated: tensor(over24, { shape: [3, 2], strides: [0, 1], offset: 22 }),
    scalar: tensor(over24, { shape: [], offset: 23 }),
    ones: tensor(over24, { shape: [1, 2, 1], strides: [99, 1, 77] }),
    empty: tensor(over24, { shape: [2, 0, 3], strides: [9, 9, 9], offset: 24 }),
  }));
  const at = (...indices: number[]) => indices.map((i) => i + 0.5);
  assert.deepEqual(values.whole, [...count24]);
  assert.deepEqual(values.transposed, at(0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11));
  assert.deepEqual(values.column, at(3, 7, 11, 15, 19, 23));
  assert.deepEqual(values.inner, at(5, 6, 9, 10, 17, 18, 21, 22));
  assert.deepEqual(
    values.permuted,
    [0, 12, 4, 16, 8, 20].flatMap((i) => at(i, i + 1, i + 2, i + 3)),
  );
  assert.deepEqual(values.repeated, at(22, 23, 22, 23, 22, 23));
  assert.deepEqual(values.scalar, at(23));
  assert.deepEqual(values.ones, at(0, 1));
  assert.deepEqual(values.empty, []);
});

const STORAGES: [type: string, dtype: string, elements: ArrayBufferView<ArrayBuffer>][] = [
  ["DoubleStorage", "f64", Float64Array.of(9, 1, 2)],
  ["FloatStorage", "f32", Float32Array.of(9, 1, 2)],
  ["HalfStorage", "f16", Uint16Array.of(0x4880, 0x3c00, 0x4000)],
  ["BFloat16Storage", "bf16", Uint16Array.of(0x4110, 0x3f80, 0x4000)],
  ["LongStorage", "i64", BigInt64Array.of(9n, 1n, 2n)],
  ["IntStorage", "i32", Int32Array.of(9, 1, 2)],
  ["ShortStorage", "i16", Int16Array.of(9, 1, 2)],
  ["CharStorage", "i8", Int8Array.of(9, 1, 2)],
  ["ByteStorage", "u8", Uint8Array.of(9, 1, 2)],
];
for (const [type, dtype, elements] of STORAGES) {
  for (const deflate of [false, true]) {
    Deno.test(`openCheckpoint() reads a ${deflate ? "deflated" : "stored"} ${type}`, async () => {
      const over = storage(type, "key", 3);
      const content = dict({
        all: tensor(over, { shape: [3] }),
        end: tensor(over, { shape: [2], offset: 1 }),
      });
      const bytes = buildTorch({ content, storages: { key: elements }, deflate });
      assert.deepEqual(await readAll(bytes), { all: [9, 1, 2], end: [1, 2] });
      await withCheckpoint(bytes, ({ tensors }) => {
        const { sizeBytes, count } = tensors.get("end")!;
        assert.equal(tensors.get("end")!.dtype, dtype);
        assert.deepEqual([count, sizeBytes], [2, 2 * elements.byteLength / 3]);
        return Promise.resolve();
      });
    });
  }
}

Deno.test("openCheckpoint() finds the attributes of TorchScript modules", async () => {
  const linear = instance(
    "__torch__.torch.nn.modules.linear",
    "Linear",
    dict({
      training: false,
      weight: tensor(over24, { shape: [2] }),
      bias: null,
    }),
  );
  const bytes = buildTorch({
    content: instance(
      "__torch__",
      "Model",
      dict({
        proj: linear,
        sizes: call("torch.jit._pickle", "build_intlist", [4, 8]),
        notes: call("torch.jit._pickle", "restore_type_tag", dict({ k: 1.5 }), "Dict[str, float]"),
        stateful: instance("__torch__", "Packed", tuple(7, "x")),
      }),
    ),
    storages: { 0: count24 },
    others: { "constants.pkl": "", "code/__torch__.py": "class Model(Module): ..." },
  });
  await withCheckpoint(bytes, async ({ format, tensors, values }) => {
    assert.equal(format, "torchscript");
    assert.deepEqual([...tensors.keys()], ["proj.weight"]);
    assert.deepEqual([...await tensors.get("proj.weight")!.read()], [0.5, 1.5]);
    assert.deepEqual(Object.fromEntries(values), {
      "proj.training": false,
      "sizes.0": 4,
      "sizes.1": 8,
      "notes.k": 1.5,
      "stateful.0": 7,
      "stateful.1": "x",
    });
  });
});

Deno.test("openCheckpoint() heeds the byte order an archive declares", async () => {
  const archive = { content: tensor(over24, { shape: [1] }), storages: { 0: count24 } };
  const little = buildTorch({ ...archive, others: { byteorder: "little" } });
  assert.deepEqual(await readAll(little), { tensor: [0.5] });
  await assertRefused(
    buildTorch({ ...archive, others: { byteorder: "big" } }),
    /its numbers are stored big-endian/,
  );
});

Deno.test("openCheckpoint() refuses an archive whose elements are missing or too few", async () => {
  const content = dict({ w: tensor(over24, { shape: [2] }) });
  await assertRefused(
    buildTorch({ content }),
    /elements of "w" are missing: no entry "archive\/data/,
  );
  await assertRefused(
    buildTorch({ content, storages: { 0: count24.subarray(1) } }),
    /"archive\/data\/0" holds 92 bytes, "w" needs 96/,
  );
});

Deno.test("openCheckpoint() refuses a damaged pickle by its checksum", async () => {
  const content = pickle(dict({ a: 1 }));
  const bytes = buildZip([{ name: "x/data.pkl", content, crc: 1 }]);
  await assertRefused(bytes, /"x\/data.pkl" does not match its checksum/);
  // PyTorch writes 0 when it was told to leave checksums out.
  assert.deepEqual(await readAll(buildZip([{ name: "x/data.pkl", content, crc: 0 }])), {});
});

Deno.test("openCheckpoint() refuses two archives in one", async () => {
  const content = pickle([]);
  await assertRefused(
    buildZip([{ name: "a/data.pkl", content }, { name: "b/data.pkl", content }]),
    /zip archive with several NAME\/data\.pkl/,
  );
});

const view = (fields: { shape: number[]; strides?: number[]; offset?: number }) =>
  tensor(over24, fields);
const REFUSED: [what: string, content: Picklable, reason: RegExp][] = [
  [
    "a view past the end",
    view({ shape: [24], offset: 1 }),
    /ends at element 25 of storage "0", wh/,
  ],
  ["strides past the end", view({ shape: [2, 2], strides: [23, 1] }), /ends at element 25/],
  ["a negative stride", view({ shape: [2], strides: [-1], offset: 5 }), /with strides \[-1\] from/],
  ["a negative offset", view({ shape: [1], offset: -1 }), /from element -1/],
  ["a fractional offset", view({ shape: [1], offset: 0.5 }), /from element 0\.5/],
  ["fewer strides than sizes", view({ shape: [2, 2], strides: [1] }), /strides \[1\] from/],
  ["a negative size", view({ shape: [-2] }), /\[-2\] is not made of whole numbers/],
  ["a shape beyond any file", view({ shape: [2 ** 50, 2 ** 50] }), /beyond any file/],
  [
    "a small storage blown up by strides of 0",
    view({ shape: [2 ** 20, 2 ** 20], strides: [0, 0] }),
    /repeats 24 elements to a tensor of shape \[1048576, 1048576\]/,
  ],
  [
    "a shape of lists in lists",
    call("torch._utils", "_rebuild_tensor_v2", over24, 0, tuple([[1]]), tuple(1), false, null),
    /a shape of \[\?\] is not made of whole numbers/,
  ],
  [
    "a tensor over no storage",
    call("torch._utils", "_rebuild_tensor_v2", "s", 0, tuple(1), tuple(1), false, null),
    /a tensor over "s"/,
  ],
  ["a tensor of nothing", call("torch._utils", "_rebuild_tensor_v2"), /a tensor over nothing/],
  ["a storage of another kind", concat(save("0"), op(0x51)), /refers to "0" as a storage/],
  ["a storage of -1 elements", storage("FloatStorage", "0", -1), /a storage "0" of -1 elements/],
  [
    "a storage of an odd type",
    concat(tuple("storage", named("collections", "OrderedDict"), "0", "cpu", 3), op(0x51)),
    /a storage of type "collections\.OrderedDict"/,
  ],
  ["an OrderedDict of no pairs", call("collections", "OrderedDict", [[1]]), /is no pair/],
  ["an OrderedDict of a number", call("collections", "OrderedDict", 7), /has 7 where a tuple/],
  ["two values of one name", new Map<Picklable, Picklable>([["0", 1], [0, 2]]), /are called "0"/],
  [
    "names that collide",
    dict({ "a.b": 1, a: dict({ b: view({ shape: [1] }) }) }),
    /two of its values are called "a\.b"/,
  ],
  ["a dict keyed by tuples", new Map([[tuple(1), 1]]), /dict with a tuple for a key/],
  ["an endless name", dict({ ["n".repeat(2000)]: 1 }), /a name of 2000 characters/],
];
for (const [what, content, reason] of REFUSED) {
  Deno.test(`openCheckpoint() refuses an archive with ${what}`, async () => {
    await assertRefused(buildTorch({ content, storages: { 0: count24 } }), reason);
  });
}
