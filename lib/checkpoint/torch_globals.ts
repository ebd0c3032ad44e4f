import type { TensorEntry } from "./checkpoint.ts";
import { type Dtype, elementCount, isIndex, listText } from "./elements.ts";
import { NUMPY_GLOBALS } from "./numpy_globals.ts";
import {
  describe,
  functions,
  items,
  PickleExtra,
  PickleGlobal,
  PickleObject,
  PickleTuple,
  type PickleValue,
} from "./pickle_values.ts";
import { refuse } from "./refusal.ts";
import type { ByteRange } from "./range_file.ts";
import { repeats, span, type View, viewEntry } from "./strided.ts";

/** A run of elements that tensors look into, kept outside of the pickle under a key. */
export class TorchStorage extends PickleExtra {
  constructor(
    readonly dtype: Dtype,
    readonly key: string,
    readonly count: number,
    /** Where its first byte lies, if it is known before the pickle ends. */
    readonly offset: number | null = null,
  ) {
    super();
  }
}

class TorchTensor extends PickleExtra {
  constructor(readonly storage: TorchStorage, readonly view: View) {
    super();
  }
}

class StorageType extends PickleExtra {
  constructor(readonly dtype: Dtype) {
    super();
  }
}

/** A view may repeat its storage (a stride of 0), but not turn a small file into a huge tensor. */
const MAX_REPEATED_ELEMENTS = 2 ** 24;

const STORAGE_TYPES: Record<string, Dtype> = {
  DoubleStorage: "f64",
  FloatStorage: "f32",
  HalfStorage: "f16",
  BFloat16Storage: "bf16",
  LongStorage: "i64",
  IntStorage: "i32",
  ShortStorage: "i16",
  CharStorage: "i8",
  ByteStorage: "u8",
  BoolStorage: "bool",
};

const DTYPES = "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool";

const FUNCTIONS: Readonly<Record<string, PickleGlobal["build"]>> = {
  "collections.OrderedDict": orderedDict,
  "argparse.Namespace": () => new PickleObject("argparse.Namespace"),
  "torch.Size": ([sizes]) => new PickleTuple(items(sizes)),
  "torch.device": ([name]) => name ?? null,
  "torch._utils._rebuild_tensor": rebuildTensor,
  "torch._utils._rebuild_tensor_v2": rebuildTensor,
  "torch._utils._rebuild_parameter": ([tensor]) => tensor ?? null,
  "torch._utils._rebuild_parameter_with_state": ([tensor]) => tensor ?? null,
  // Lists with an element type, and values with a type in words, as TorchScript writes them.
  "torch.jit._pickle.build_intlist": ([list]) => list ?? null,
  "torch.jit._pickle.build_doublelist": ([list]) => list ?? null,
  "torch.jit._pickle.build_boollist": ([list]) => list ?? null,
  "torch.jit._pickle.build_tensorlist": ([list]) => list ?? null,
  "torch.jit._pickle.restore_type_tag": ([value]) => value ?? null,
};

const GLOBALS = new Map<string, PickleValue>([
  ...NUMPY_GLOBALS,
  ...functions(FUNCTIONS),
  ...Object.entries(STORAGE_TYPES).map(([name, dtype]): [string, PickleValue] => [
    `torch.${name}`,
    new StorageType(dtype),
  ]),
  ...DTYPES.split(" ").map((name): [string, PickleValue] => [`torch.${name}`, `torch.${name}`]),
]);

/** The plain meaning of what PyTorch's pickles name; undefined for everything else. */
export function torchGlobal(module: string, name: string): PickleValue | undefined {
  const fullName = `${module}.${name}`;
  // A module of TorchScript is the dict of its attributes; its code is not read.
  if (module === "__torch__" || module.startsWith("__torch__.")) {
    return new PickleGlobal(fullName, () => new PickleObject(fullName));
  }
  return GLOBALS.get(fullName);
}

/** The storage that a persistent id `("storage", type, key, device, count)` refers to. */
export function torchStorage(id: PickleValue): TorchStorage {
  if (!(id instanceof PickleTuple)) refuse(`its pickle refers to ${describe(id)} as a storage`);
  const [kind, type, key, _device, count, view = null] = id.items;
  if (kind !== "storage" || typeof key !== "string" || !isIndex(count)) {
    refuse(`its pickle refers to a storage ${describe(key)} of ${describe(count)} elements`);
  }
  if (!(type instanceof StorageType)) refuse(`it has a storage of type ${describe(type)}`);
  if (view !== null) {
    refuse(`its storage "${key}" is a part of another; save it with PyTorch >= 0.4`);
  }
  return new TorchStorage(type.dtype, key, count);
}

/**
 * The tensors among the values of a pickle. `locate` says how to open the storage of one. In a pickle
 * that no checksum covers, strides that meet elements twice are refused: they are more likely damaged
 * than meant.
 */
export function torchEntries(
  values: ReadonlyMap<string, PickleExtra>,
  { isChecked }: { readonly isChecked: boolean },
  locate: (name: string, storage: TorchStorage) => () => Promise<ByteRange>,
): Map<string, TensorEntry> {
  const entries = new Map<string, TensorEntry>();
  for (const [name, value] of values) {
    if (!(value instanceof TorchTensor)) continue;
    const { storage, view } = value;
    if (!isChecked && repeats(view, storage.count)) {
      refuse(
        `"${name}" of shape ${listText(view.shape)} has strides ${listText(view.strides)}, which ` +
          `meet elements twice; save a contiguous copy of it`,
      );
    }
    entries.set(name, viewEntry(name, storage.dtype, view, locate(name, storage)));
  }
  return entries;
}

function orderedDict([pairs]: readonly PickleValue[]): PickleValue {
  const dict = new Map<PickleValue, PickleValue>();
  for (const pair of pairs === undefined ? [] : items(pairs)) {
    const [key, value] = items(pair);
    if (key === undefined || value === undefined) refuse("an item of its OrderedDict is no pair");
    dict.set(key, value);
  }
  return dict;
}

/** `(storage, offset, shape, strides, …)`; whether gradients are wanted does not matter here. */
function rebuildTensor([storage, offset, sizes, steps]: readonly PickleValue[]): TorchTensor {
  if (!(storage instanceof TorchStorage)) refuse(`it has a tensor over ${describe(storage)}`);
  const shape = items(sizes);
  const strides = items(steps);
  const count = elementCount(shape);
  if (!isIndex(offset) || strides.length !== shape.length || !strides.every(isIndex)) {
    refuse(
      `it has a tensor of shape ${listText(shape)} with strides ${
        listText(strides)
      } from element ` +
        `${describe(offset)}; one stride per dimension and no negative ones are allowed`,
    );
  }
  const view: View = { offset, shape: shape as number[], strides };
  const end = offset + span(view);
  if (end > storage.count) {
    refuse(
      `it has a tensor of shape ${listText(shape)} that ends at element ${end} of storage ` +
        `"${storage.key}", which has ${storage.count}`,
    );
  }
  if (count > storage.count && count > MAX_REPEATED_ELEMENTS) {
    refuse(`it repeats ${storage.count} elements to a tensor of shape ${listText(shape)}`);
  }
  return new TorchTensor(storage, view);
}
