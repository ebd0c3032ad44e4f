import assert from "node:assert/strict";
import { call, dict, named, op, pickle, save, tuple } from "./build_pickle.ts";
import { storage } from "./build_torch.ts";
import { buildZip } from "./build_zip.ts";
import { type Bytes, concat, fields, repeated, utf8 } from "./bytes.ts";
import { assertRefused, readOrRefuse, withCheckpoint } from "./open_bytes.ts";
import { processorSeconds } from "./resources.ts";
import { CHECKED, SAMPLES } from "./samples.ts";

/** An archive with these instructions of a pickle, of which PROTO and STOP are added. */
function running(...instructions: Uint8Array[]): Bytes {
  const content = concat(op(0x80, 2), ...instructions, op(0x2e));
  return buildZip([{ name: "x/data.pkl", content }]);
}

function times(count: number, ...instructions: Uint8Array[]): Bytes {
  const once = concat(...instructions);
  const all = new Uint8Array(count * once.length);
  for (let i = 0; i < count; i++) all.set(once, i * once.length);
  return all;
}

const system = named("os", "system");
const memoized = (text: string) => concat(op(0x8c, text.length), utf8(text));

const CALLS: [what: string, bytes: Bytes, reason: RegExp][] = [
  [
    "os.system",
    running(system, tuple("id"), op(0x52)),
    /it asks for "os\.system"; nada reads tensors and plain containers only/,
  ],
  [
    "posix.system by a name on the stack",
    running(memoized("posix"), memoized("system"), op(0x93)),
    /it asks for "posix\.system"/,
  ],
  ["builtins.eval", running(call("builtins", "eval", "1")), /it asks for "builtins\.eval"/],
  ["builtins.getattr", running(call("builtins", "getattr", 1, "x")), /"builtins\.getattr"/],
  [
    "eval in the arguments of a tensor",
    running(call("torch._utils", "_rebuild_tensor_v2", call("__builtin__", "eval", "1"))),
    /it asks for "__builtin__\.eval"/,
  ],
  ["os.system that is never called", running(system, op(0x30), save(1)), /"os\.system"/],
  ["a whole network", running(named("torch.nn.modules.linear", "Linear")), /save the state_dict/],
  ["a loader of its own", running(call("torch.storage", "_load_from_bytes", "")), /_load_from_by/],
  ["a name of JavaScript", running(named("constructor", "constructor")), /"constructor\.constru/],
  ["a name that is only alike", running(named("collections.OrderedDict", "x")), /OrderedDict\.x"/],
  [
    "a dtype as a function",
    running(named("torch", "float32"), tuple(), op(0x52)),
    /calls "torch\.f/,
  ],
  [
    "a storage type as a function",
    running(call("torch", "FloatStorage", 3)),
    /calls a StorageType/,
  ],
  ["a dict as a function", running(op(0x7d, 0x29, 0x52)), /calls a dict/],
  ["arguments that are no tuple", running(named("torch", "Size"), op(0x5d, 0x52)), /with a list/],
  ["attributes of a list", running(op(0x5d, 0x7d, 0x62)), /sets attributes of a list/],
  [
    "attributes of a tensor type",
    running(named("torch", "FloatStorage"), op(0x7d, 0x62)),
    /of a Sto/,
  ],
  ["items of a tuple", running(op(0x29), save("k"), save("v"), op(0x73)), /sets items of a tuple/],
  ["a key twice", running(op(0x7d, 0x28), ...["k", 1, "k", 2].map(save), op(0x75)), /"k" twice in/],
  ["a number of its memo twice", running(save(1), op(0x71, 4, 0x71, 4)), /two values as 4/],
  ["a key without a value", running(op(0x7d, 0x28), save("k"), op(0x75)), /without a value/],
  ["append to a dict", running(op(0x7d), save(1), op(0x61)), /appends to a dict/],
  [
    "an instruction of protocol 0",
    running(utf8("ios\nsystem\n")),
    /instruction 0x69, which builds no plain data \(at byte 2 of/,
  ],
  ["a registered extension", running(op(0x82, 1)), /instruction 0x82/],
  ["a persistent id in text", running(utf8("Pid\n")), /instruction 0x50/],
  ["an out-of-band buffer", running(op(0x97)), /instruction 0x97/],
  ["protocol 9", running(op(0x80, 9)), /protocol 9, newer than Python/],
  ["an empty stack", running(op(0x30)), /takes from an empty stack/],
  ["nothing at all", running(), /takes from an empty stack/],
  ["a stack below its mark", running(save(1), op(0x28, 0x30)), /takes from an empty stack/],
  ["a missing mark", running(save(1), op(0x74)), /lacks a MARK/],
  ["a value never kept", running(op(0x68, 7)), /recalls value 7, which it never kept/],
  [
    "a text longer than the file",
    running(op(0x58), fields([4, 2 ** 32 - 1])),
    /cut off: 4294967295/,
  ],
  [
    "a text of 2^63 bytes",
    running(op(0x8d), fields([8, 2n ** 63n])),
    /cut off: 92233720368547\d+ bytes/,
  ],
  ["bytes longer than the file", running(op(0x42), fields([4, 99])), /cut off: 99 bytes/],
  ["a text that is not UTF-8", running(op(0x58, 1, 0, 0, 0, 0xff)), /not UTF-8/],
  ["an integer of 200 bytes", running(op(0x8a, 200), new Uint8Array(200)), /integer of 200 bytes/],
  [
    "an integer of a million",
    running(op(0x8b), fields([4, 1e6]), new Uint8Array(1e6)),
    /of 1000000/,
  ],
  ["a name without an end", running(op(0x63), new Uint8Array(4000).fill(65)), /name of over 512/],
  ["a long name on the stack", running(save("m".repeat(1e4)), save("n"), op(0x93)), /endless name/],
  [
    "a name of a megabyte on the stack",
    running(save("m".repeat(1e6)), save("n"), op(0x93)),
    /names "n" in bytes as a function/,
  ],
];
for (const [what, bytes, reason] of CALLS) {
  Deno.test(`openCheckpoint() refuses a pickle with ${what}`, async () => {
    await assertRefused(bytes, reason);
  });
}

/** Small files that would take all memory or all day. */
const BOMBS: [what: string, bytes: () => Bytes, reason: RegExp][] = [
  [
    "lists nested a million deep",
    () => running(times(1e6, op(0x5d)), times(999_999, op(0x61))),
    /nested over 64 deep/,
  ],
  [
    "tuples nested a million deep",
    () => running(op(0x29), times(1e6, op(0x85))),
    /nested over 64 deep/,
  ],
  [
    "a dict that holds itself",
    () => running(op(0x7d, 0x71, 0), save("k"), op(0x68, 0, 0x73)),
    /over 64/,
  ],
  [
    "a list that holds itself twice",
    () => running(op(0x5d, 0x71, 0, 0x28, 0x68, 0, 0x68, 0, 0x65)),
    /over 64 deep|more than/,
  ],
  [
    // Each tuple holds the one before twice: 2^60 leaves.
    "doubling by recall",
    () => running(save(1), repeated(60, (i) => op(0x71, i, 0x68, i, 0x86))),
    /more than 1048576 values/,
  ],
  [
    "ten million steps",
    () => running(times(1e7, op(0x4e, 0x30)), save(1)),
    /more than 2097152 steps/,
  ],
  ["ten million marks", () => running(times(1e7, op(0x28))), /more than 2097152 steps/],
  [
    // The text of a shape as a list of lists that double would be endless.
    "a shape that doubles",
    () =>
      running(
        named("torch._utils", "_rebuild_tensor_v2"),
        op(0x28),
        storage("FloatStorage", "0", 1),
        save(0),
        op(0x5d),
        repeated(60, (i) => op(0x71, i, 0x30, 0x5d, 0x28, 0x68, i, 0x68, i, 0x65)),
        op(0x85),
        tuple(1),
        op(0x74, 0x52),
      ),
    /not made of whole numbers/,
  ],
];
for (const [what, bytes, reason] of BOMBS) {
  Deno.test(`openCheckpoint() refuses a pickle with ${what} within seconds`, async () => {
    const file = bytes();
    const start = processorSeconds();
    await assertRefused(file, reason);
    assert.ok(processorSeconds() - start < 5, `${processorSeconds() - start} s`);
  });
}

Deno.test("openCheckpoint() keeps values under memo keys up to 2^32 without a table of that size", async () => {
  const puts = times(100_000, op(0x72), fields([4, 0]));
  const view = new DataView(puts.buffer);
  for (let i = 0; i < 100_000; i++) view.setUint32(5 * i + 1, i * 2654435761, true);
  const recall = concat(op(0x6a), fields([4, 2654435761]));
  await withCheckpoint(running(save("kept"), puts, recall), ({ values }) => {
    assert.deepEqual([...values], [["tensor", "kept"]]);
    return Promise.resolve();
  });
});

for (const [what, bytes] of Object.entries(SAMPLES)) {
  Deno.test(`openCheckpoint() refuses a ${what} that is cut off, wherever it is`, async () => {
    assert.notEqual(await readOrRefuse(bytes, "whole"), "refused");
    for (let length = 0; length < bytes.length; length++) {
      const result = await readOrRefuse(bytes.subarray(0, length), `cut to ${length}`);
      assert.equal(result, "refused", `cut to ${length}`);
    }
  });

  // In what has no checksums another number is as good as the right one.
  const isChecked = CHECKED.includes(what);
  Deno.test(`openCheckpoint() reads ${isChecked ? "the same" : "numbers"} or refuses a ${what} with any byte damaged`, async () => {
    const whole = await readOrRefuse(bytes, "whole");
    let refused = 0;
    for (let at = 0; at < bytes.length; at++) {
      const damaged = bytes.slice();
      damaged[at]! ^= 1 << at % 8;
      const result = await readOrRefuse(damaged, `byte ${at}`);
      if (result === "refused") refused++;
      else if (isChecked) assert.deepEqual(result, whole, `byte ${at}`);
    }
    assert.ok(refused > bytes.length / 3, `${refused} of ${bytes.length} refused`);
  });
}

Deno.test("openCheckpoint() reads or refuses any damaged pickle behind a right checksum", async () => {
  const content = pickle(dict({
    a: [1, 2.5, "text", null, true, tuple(1, 2n)],
    b: call("collections", "OrderedDict", [[tuple(), 1]]),
    c: call("torch", "Size", [3]),
  }));
  for (let at = 0; at < content.length; at++) {
    for (const value of [content[at]! ^ 1, content[at]! ^ 0x20, 0xff, 0x28, 0x52, 0x62, 0x75]) {
      const damaged = content.slice();
      damaged[at] = value;
      await readOrRefuse(
        buildZip([{ name: "x/data.pkl", content: damaged }]),
        `byte ${at} as ${value}`,
      );
    }
  }
});
