/** Named tensors as the files that people have of them. */
import { buildLegacy, legacyStorage } from "./build_legacy.ts";
import { dict, instance, type Picklable } from "./build_pickle.ts";
import { buildTorch, storage, tensor } from "./build_torch.ts";
import type { Bytes } from "./bytes.ts";

type Tensors = ReadonlyMap<
  string,
  { readonly shape: readonly number[]; readonly data: ArrayLike<number> }
>;

/** How PyTorch calls storages of an element type, and their elements. */
const STORAGES = {
  f64: ["DoubleStorage", (x: ArrayLike<number>) => Float64Array.from(x)],
  f32: ["FloatStorage", (x: ArrayLike<number>) => Float32Array.from(x)],
  f16: ["HalfStorage", (x: ArrayLike<number>) => Float16Array.from(x)],
  bf16: ["BFloat16Storage", upperHalves],
} as const;

export type FloatType = keyof typeof STORAGES;

/** The upper halves of float32, as bfloat16 has them. */
function upperHalves(x: ArrayLike<number>): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(Float32Array.from(x).buffer);
  return Uint16Array.from(bits, (word) => word >> 16);
}

/** `torch.save` of a dict; names of containers joined by "." nest it. */
export function torchArchive(tensors: Tensors, prefix = "", type: FloatType = "f32"): Bytes {
  const storages: Storages = {};
  const content = contentOf(tensors, prefix, intoArchive(storages, type));
  return buildTorch({ content, storages });
}

/** `torch.jit.save` of a module of modules, by the dots in the names of their tensors. */
export function torchScript(tensors: Tensors): Bytes {
  const storages: Storages = {};
  const store = intoArchive(storages, "f32");
  let count = 0;
  const module = (part: Tensors): Bytes => {
    const fields: Record<string, Picklable> = { training: false };
    const parts = Map.groupBy(part, ([name]) => name.split(".")[0]!);
    for (const [field, entries] of parts) {
      const inner = entries.map(([name, data]) => [name.slice(field.length + 1), data] as const);
      const [[rest, { shape, data }]] = inner as [typeof inner[0]];
      fields[field] = rest === ""
        ? tensor(store(`s${count++}`, data), { shape: [...shape] })
        : module(new Map(inner));
    }
    return instance("__torch__.model", "Module", dict(fields));
  };
  const others = { "constants.pkl": "", "code/__torch__/model.py": "raise SystemExit('it ran')" };
  return buildTorch({ content: module(tensors), storages, others });
}

type Storages = Record<string, ArrayBufferView<ArrayBuffer>>;

/** What puts elements among the files of an archive, and refers to them. */
function intoArchive(storages: Storages, type: FloatType) {
  const [name, elements] = STORAGES[type];
  return (key: string, data: ArrayLike<number>): Bytes => {
    storages[key] = elements(data);
    return storage(name, key, data.length);
  };
}

/** The same before PyTorch 1.6. */
export function legacyArchive(tensors: Tensors, prefix = "", type: FloatType = "f32"): Bytes {
  const [name, elements] = STORAGES[type];
  const storages: Record<string, [number, ArrayBufferView<ArrayBuffer>]> = {};
  const content = contentOf(tensors, prefix, (key, data) => {
    storages[key] = [data.length, elements(data)];
    return legacyStorage(name, key, data.length);
  });
  return buildLegacy({ content, storages });
}

function contentOf(
  tensors: Tensors,
  prefix: string,
  store: (key: string, data: ArrayLike<number>) => Bytes,
): Picklable {
  const entries = [...tensors].map(([name, { shape, data }], i): [string, Picklable] => [
    prefix + name,
    tensor(store(`s${i}`, data), { shape: [...shape] }),
  ]);
  return dict(Object.fromEntries(entries));
}
