/** Named tensors as the files that people have of them. */
import { buildLegacy, legacyStorage } from "./build_legacy.ts";
import { dict, type Picklable } from "./build_pickle.ts";
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
  const [name, elements] = STORAGES[type];
  const storages: Record<string, ArrayBufferView<ArrayBuffer>> = {};
  const content = contentOf(tensors, prefix, (key, data) => {
    storages[key] = elements(data);
    return storage(name, key, data.length);
  });
  return buildTorch({ content, storages });
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
