/** Hostile and broken files by the hundred. Each has to be refused, for the reason given. */
import { buildLegacy, legacyStorage } from "./build_legacy.ts";
import { array, dtype, embedded, persistent, tensorflow } from "./build_network.ts";
import {
  bytes,
  call,
  dict,
  named,
  op,
  type Picklable,
  pickle,
  save,
  tuple,
} from "./build_pickle.ts";
import { buildSafetensors } from "./build_safetensors.ts";
import { buildTorch, storage, tensor, type TensorView } from "./build_torch.ts";
import { buildZip, type ZipPart } from "./build_zip.ts";
import { type Bytes, bytesOf, concat, fields, repeated, utf8 } from "./bytes.ts";
import { SAMPLES } from "./samples.ts";

export interface Hostile {
  readonly name: string;
  /** Made when it is needed: some take megabytes. */
  readonly bytes: () => Bytes;
  readonly reason: RegExp;
}

/** Written by a command in the corpus if anything ever ran it. */
export const MARKER = "/tmp/nada-corpus-ran";

export function corpus(): Hostile[] {
  return [
    ...truncations(),
    ...calls(),
    ...instructions(),
    ...bombs(),
    ...views(),
    ...numpyArrays(),
    ...safetensorsHeaders(),
    ...archives(),
  ];
}

/** Each sample cut off at 24 places, from the first bytes to the last. */
function truncations(): Hostile[] {
  return Object.entries(SAMPLES).flatMap(([name, whole]) =>
    Array.from({ length: 24 }, (_, i) => {
      const length = i < 6 ? i : Math.floor(whole.length * (i - 5) / 19) - 1;
      return {
        name: `a ${name} cut to ${length} of ${whole.length} bytes`,
        bytes: () => whole.slice(0, length),
        reason: /cut off|empty|it is |ends at|take|fit|lacks|broken|no end record/,
      };
    })
  );
}

/** What a stranger would like to be called: module, name, argument. */
const WANTED: readonly (readonly [module: string, name: string, argument: string])[] = [
  ["os", "system", `touch ${MARKER}`],
  ["posix", "system", `touch ${MARKER}`],
  ["nt", "system", `echo > ${MARKER}`],
  ["subprocess", "Popen", `touch ${MARKER}`],
  ["subprocess", "check_output", `touch ${MARKER}`],
  ["commands", "getoutput", `touch ${MARKER}`],
  ["pty", "spawn", "/bin/sh"],
  ["builtins", "eval", `open('${MARKER}', 'w')`],
  ["builtins", "exec", `open('${MARKER}', 'w')`],
  ["builtins", "compile", "1"],
  ["builtins", "open", MARKER],
  ["builtins", "getattr", "x"],
  ["builtins", "__import__", "os"],
  ["__builtin__", "eval", "1"],
  ["importlib", "import_module", "os"],
  ["runpy", "run_path", "x.py"],
  ["pickle", "loads", "cos\nsystem\n(S'id'\ntR."],
  ["_pickle", "loads", "x"],
  ["marshal", "loads", "x"],
  ["types", "FunctionType", "x"],
  ["types", "CodeType", "x"],
  ["functools", "partial", "x"],
  ["operator", "attrgetter", "system"],
  ["ctypes", "CDLL", "libc.so.6"],
  ["shutil", "rmtree", "/tmp/nothing"],
  ["socket", "create_connection", "127.0.0.1"],
  ["webbrowser", "open", "file:///"],
  ["timeit", "timeit", "1"],
  ["asyncio", "run", "x"],
  ["torch", "load", "x"],
  ["torch.hub", "load", "x"],
  ["torch.nn.modules.linear", "Linear", "x"],
  ["torch.jit", "load", "x"],
  ["numpy", "load", "x"],
  ["numpy.testing._private.utils", "runstring", "x"],
  ["dnnlib.util", "call_func_by_name", "os.system"],
  ["torch_utils.persistence", "_src_to_module", `open('${MARKER}', 'w')`],
  ["constructor", "constructor", "x"],
  ["__proto__", "toString", "x"],
];

/** The same instructions where each form has its pickle. */
const CARRIERS: Readonly<Record<string, (value: Bytes) => Bytes>> = {
  "a torch archive": (value) => buildTorch({ content: dict({ a: value }) }),
  "a PyTorch file of before 1.6": (value) => buildLegacy({ content: [value] }),
  "the parts of a network": (value) =>
    pickle(dict({ G_ema: persistent("A", { buffers: { extra: value } }) })),
  "a storage within a pickle": (value) =>
    pickle(call("torch.storage", "_load_from_bytes", bytes(buildLegacy({ content: value })))),
};

function calls(): Hostile[] {
  return Object.entries(CARRIERS).flatMap(([carrier, carry]) =>
    WANTED.map(([module, name, argument]) => ({
      name: `${module}.${name} in ${carrier}`,
      bytes: () => carry(call(module, name, argument)),
      reason: new RegExp(`it asks for "${`${module}.${name}`.replaceAll(".", "\\.")}"`),
    }))
  );
}

/** Ways to call that are none of GLOBAL and REDUCE, and instructions that no plain data takes. */
function instructions(): Hostile[] {
  const system = named("os", "system");
  const text = (value: string) => concat(op(0x8c, value.length), utf8(value));
  const ways: [name: string, value: Bytes, reason: RegExp][] = [
    [
      "a name on the stack",
      concat(text("os"), text("system"), op(0x93), tuple("id"), op(0x52)),
      /"os\.system"/,
    ],
    ["a function that is not called", system, /"os\.system"/],
    ["NEWOBJ", concat(system, tuple("id"), op(0x81)), /"os\.system"/],
    ["NEWOBJ_EX", concat(tuple(), tuple(), op(0x7d, 0x92)), /0x92/],
    ["INST", utf8("(S'id'\nios\nsystem\n"), /0x53|0x69/],
    ["OBJ", concat(op(0x28), save(1), op(0x6f)), /0x6f/],
    ["a registered extension", op(0x82, 1), /0x82/],
    ["a persistent id in text", utf8("Pid\n"), /0x50/],
    ["an out-of-band buffer", op(0x97), /0x97/],
    [
      "a chain of calls",
      call("collections", "OrderedDict", call("os", "system", "id")),
      /"os\.sys/,
    ],
    [
      "a call of what a call gave",
      concat(call("collections", "OrderedDict"), tuple("id"), op(0x52)),
      /calls a dict/,
    ],
    [
      "__setstate__ of a number",
      concat(save(1), save(dict({ __setstate__: 1 })), op(0x62)),
      /attributes of 1/,
    ],
    ["a value never kept", op(0x68, 9), /recalls value 9/],
    ["a text of 2^63 bytes", concat(op(0x8d), fields([8, 2n ** 63n])), /cut off: 92233720368547/],
    ["bytes of 2^63", concat(op(0x8e), fields([8, 2n ** 63n])), /cut off: 92233720368547/],
    ["an integer of 2^31 bytes", concat(op(0x8b), fields([4, 2 ** 31])), /of 2147483648 bytes/],
    ["protocol 77", op(0x80, 77), /protocol 77/],
  ];
  return Object.entries(CARRIERS).slice(0, 3).flatMap(([carrier, carry]) =>
    ways.map(([name, value, reason]) => ({
      name: `${name} in ${carrier}`,
      bytes: () => carry(value),
      reason,
    }))
  );
}

function times(count: number, ...once: Bytes[]): Bytes {
  const unit = concat(...once);
  const all = new Uint8Array(count * unit.length);
  for (let i = 0; i < count; i++) all.set(unit, i * unit.length);
  return all;
}

/** Small files that would take all memory or all day. */
function bombs(): Hostile[] {
  const values: [name: string, value: () => Bytes, reason: RegExp][] = [
    [
      "lists nested 300,000 deep",
      () => concat(times(3e5, op(0x5d)), times(299_999, op(0x61))),
      /nested over 64 deep/,
    ],
    ["tuples nested 300,000 deep", () => concat(op(0x29), times(3e5, op(0x85))), /over 64 deep/],
    ["a dict that holds itself", () => op(0x7d, 0x71, 0, 0x4b, 1, 0x68, 0, 0x73), /over 64 deep/],
    [
      "doubling by recall",
      () => concat(save(1), repeated(60, (i) => op(0x71, i, 0x68, i, 0x86))),
      /more than 1048576 values/,
    ],
    ["three million steps", () => concat(times(15e5, op(0x4e, 0x30)), save(1)), /2097152 steps/],
    ["three million marks", () => times(3e6, op(0x28)), /2097152 steps/],
  ];
  return Object.entries(CARRIERS).slice(0, 3).flatMap(([carrier, carry]) =>
    values.map(([name, value, reason]) => ({
      name: `${name} in ${carrier}`,
      bytes: () => carry(value()),
      reason,
    }))
  );
}

/** Tensors that look where they must not. */
function views(): Hostile[] {
  const six = Float32Array.of(1, 2, 3, 4, 5, 6);
  const bad: [name: string, view: TensorView, reason: RegExp][] = [
    ["past the end", { shape: [7] }, /ends at element 7/],
    ["beginning past the end", { shape: [1], offset: 6 }, /ends at element 7/],
    ["with a stride past the end", { shape: [2, 3], strides: [5, 1] }, /ends at element 8/],
    ["with a negative stride", { shape: [3], strides: [-1], offset: 2 }, /no negative ones/],
    ["with a negative size", { shape: [-1] }, /not made of whole numbers/],
    ["with a negative offset", { shape: [1], offset: -1 }, /no negative ones/],
    ["with half an element", { shape: [1], offset: 0.5 }, /from element 0.5/],
    ["of 2^60 elements", { shape: [2 ** 30, 2 ** 30], strides: [0, 0] }, /beyond any file|repeats/],
    ["blown up by strides of 0", { shape: [1e5, 1e5], strides: [0, 0] }, /repeats 6 elements/],
    ["of 40 axes", { shape: new Array(40).fill(1) }, /40 dimensions/],
    ["with a stride too few", { shape: [2, 2], strides: [1] }, /one stride per dimension/],
  ];
  return bad.flatMap(([name, view, reason]) => [
    {
      name: `a tensor ${name} in a torch archive`,
      bytes: () =>
        buildTorch({
          content: [tensor(storage("FloatStorage", "0", 6), view)],
          storages: { 0: six },
        }),
      reason,
    },
    {
      name: `a tensor ${name} in a PyTorch file of before 1.6`,
      bytes: () =>
        buildLegacy({
          content: [tensor(legacyStorage("FloatStorage", "a", 6), view)],
          storages: { a: [6, six] },
        }),
      reason,
    },
    {
      name: `a tensor ${name} in a pickle`,
      bytes: () => pickle(dict({ G: embedded(six, view) })),
      reason,
    },
  ]);
}

function numpyArrays(): Hostile[] {
  const six = bytes(bytesOf(Float32Array.of(1, 2, 3, 4, 5, 6)));
  const bad: [name: string, value: Picklable, reason: RegExp][] = [
    ["more elements than bytes", array([7], six), /24 bytes, 28 bytes are needed/],
    ["fewer elements than bytes", array([5], six), /24 bytes, 20 bytes are needed/],
    ["2^60 elements", array([2 ** 30, 2 ** 30], six), /beyond any file/],
    ["a negative size", array([-6], six), /not made of whole numbers/],
    ["Python objects", array([6], six, { type: dtype("O8") }), /type "O8"/],
    ["big-endian numbers", array([6], six, { type: dtype("f4", ">") }), /big-endian/],
    ["no bytes at all", array([6], save(null)), /in None/],
  ];
  return bad.map(([name, value, reason]) => ({
    name: `a NumPy array of ${name}`,
    bytes: () => pickle(tensorflow("G_main", { a: value })),
    reason,
  }));
}

function safetensorsHeaders(): Hostile[] {
  const f32 = (shape: unknown, ...data_offsets: unknown[]) => ({
    dtype: "F32",
    shape,
    data_offsets,
  });
  const data = new Uint8Array(8);
  const headers: [name: string, header: unknown, reason: RegExp][] = [
    ["tensors that overlap", { a: f32([1], 0, 4), b: f32([1], 2, 6) }, /overlaps/],
    ["two tensors in one place", { a: f32([2], 0, 8), b: f32([2], 0, 8) }, /overlaps/],
    ["a gap between tensors", { a: f32([1], 0, 4), b: f32([1], 8, 12) }, /gap/],
    ["a tensor past the end", { a: f32([4], 0, 16) }, /cut off/],
    ["bytes behind the last tensor", { a: f32([1], 0, 4) }, /but 8 are there/],
    ["a shape of other size", { a: f32([3], 0, 8) }, /take 12/],
    ["a shape of 2^60", { a: f32([2 ** 30, 2 ** 30], 0, 8) }, /beyond any file/],
    ["a negative size", { a: f32([-2], 0, 8) }, /whole numbers/],
    ["a fractional size", { a: f32([0.5], 0, 8) }, /whole numbers/],
    ["a size in text", { a: f32(["2"], 0, 8) }, /whole numbers/],
    ["a shape that is a number", { a: f32(2, 0, 8) }, /no list/],
    ["40 axes", { a: f32(new Array(40).fill(1), 0, 4) }, /40 dimensions/],
    ["offsets that run backwards", { a: f32([2], 8, 0) }, /lies at bytes 8 to 0/],
    ["a negative offset", { a: f32([2], -8, 0) }, /not two whole numbers/],
    ["an offset of 2^60", { a: f32([2], 2 ** 60, 2 ** 60 + 8) }, /not two whole|lies at/],
    ["one offset", { a: f32([2], 0) }, /not two whole numbers/],
    ["three offsets", { a: f32([2], 0, 4, 8) }, /not two whole numbers/],
    ["an unknown type", { a: { dtype: "F33", shape: [2], data_offsets: [0, 8] } }, /type F33/],
    ["no type", { a: { shape: [2], data_offsets: [0, 8] } }, /lacks a dtype/],
    ["a tensor that is a list", { a: [] }, /lacks a dtype/],
    ["a tensor that is nothing", { a: null }, /lacks a dtype/],
    ["metadata of numbers", { __metadata__: { a: 1 }, b: f32([2], 0, 8) }, /not made of texts/],
  ];
  const texts: [name: string, text: string, reason: RegExp][] = [
    ["a name twice", `{"a":1,"a":2}`, /"a" twice/],
    ["a name twice, once escaped", `{"a":1,"\\u0061":2}`, /"a" twice/],
    ["a list for a header", `{"a":[[[[[[[[[[1]]]]]]]]]]}`, /nested over 8 deep/],
    ["braces without end", `{${"{".repeat(100)}`, /nested over 8 deep|JSON/],
    ["a header that is no JSON", "{nonsense}", /not valid JSON/],
    ["a number beyond all", `{"a":1e999,}`, /not valid JSON/],
  ];
  const length = (size: bigint, rest: Bytes) => concat(fields([8, size]), rest);
  return [
    ...headers.map(([name, header, reason]) => ({
      name: `a safetensors file with ${name}`,
      bytes: () => buildSafetensors(header as object, data),
      reason,
    })),
    ...texts.map(([name, text, reason]) => ({
      name: `a safetensors file with ${name}`,
      bytes: () => concat(length(BigInt(text.length), utf8(text)), data),
      reason,
    })),
    ...[2n ** 63n, 2n ** 64n - 1n, 2n ** 32n, 100n].map((size) => ({
      name: `a safetensors header of ${size} bytes`,
      bytes: () => length(size, utf8('{"a":1}')),
      reason: /header is said to take|of an unknown kind/,
    })),
  ];
}

/** Zip archives that lie. */
function archives(): Hostile[] {
  const content = pickle(dict({ a: 1 }));
  const part: ZipPart = { name: "x/data.pkl", content };
  const zeros = new Uint8Array(2 ** 24);
  const bad: [name: string, parts: ZipPart[], reason: RegExp][] = [
    ["an absolute name", [{ ...part, name: "/etc/data.pkl" }], /leads out of the zip/],
    ["a name above the folder", [{ ...part, name: "../data.pkl" }], /leads out of the zip/],
    ["a name above in the middle", [{ ...part, name: "x/../data.pkl" }], /leads out of the zip/],
    ["a Windows path", [{ ...part, name: "C:\\x\\data.pkl" }], /leads out of the zip/],
    ["a NUL in a name", [{ ...part, name: "x\0y/data.pkl" }], /leads out of the zip/],
    ["two roots", [part, { ...part, name: "y/data.pkl" }], /several NAME/],
    ["one name twice", [part, part], /names "x\/data\.pkl" twice/],
    ["an encrypted entry", [{ ...part, flags: 1 }], /encrypted/],
    ["an unknown method", [{ ...part, method: 93 }], /zip method 93/],
    ["a wrong checksum", [{ ...part, crc: 5 }], /does not match its checksum/],
    ["a size beyond the file", [{ ...part, size: 1e9, packedSize: 1e9 }], /overlaps|cannot hold/],
    ["two sizes for stored bytes", [{ ...part, size: 5 }], /cannot hold 5 bytes/],
    ["an entry beyond the end", [{ ...part, offset: 1e9 }], /overlaps|damaged/],
    ["entries that overlap", [part, { ...part, name: "x/b", offset: 4 }], /overlaps/],
    [
      "a bomb of a pickle",
      [{ ...part, content: zeros, deflate: true }],
      /instruction 0x00|at most|takes \d+ bytes/,
    ],
    [
      "a bomb that lies about its size",
      [{ ...part, content: zeros, deflate: true, size: 100 }],
      /does not unpack to the 100 bytes/,
    ],
    [
      "a size that deflate cannot reach",
      [{ ...part, deflate: true, size: 2 ** 40 }],
      /cannot hold 1099511627776|cannot hold 0/,
    ],
  ];
  return bad.map(([name, parts, reason]) => ({
    name: `a zip archive with ${name}`,
    bytes: () => buildZip(parts, { zip64: parts.some(({ size = 0 }) => size > 2 ** 32) }),
    reason,
  }));
}
