import { call, named, op, type Picklable, pickle, save, tuple } from "./build_pickle.ts";
import { buildZip, type ZipOptions, type ZipPart } from "./build_zip.ts";
import { type Bytes, bytesOf, concat, utf8 } from "./bytes.ts";

export interface TorchArchive {
  content: Picklable;
  /** Elements by storage key. */
  storages?: Record<string, ArrayBufferView<ArrayBuffer>>;
  /** Further files, by their path under the root. */
  others?: Record<string, string>;
  deflate?: boolean;
  zip?: ZipOptions;
}

/** An archive in the layout of `torch.save`. */
export function buildTorch(
  { content, storages = {}, others = {}, deflate, zip }: TorchArchive,
): Bytes {
  const parts: ZipPart[] = [
    { name: "archive/data.pkl", content: pickle(content) },
    ...Object.entries(others).map(([name, text]) => ({
      name: `archive/${name}`,
      content: utf8(text),
    })),
    ...Object.entries(storages).map(([key, elements]) => ({
      name: `archive/data/${key}`,
      content: bytesOf(elements),
    })),
    { name: "archive/version", content: utf8("3\n") },
  ];
  return buildZip(parts.map((part) => ({ ...part, deflate: deflate ?? false })), zip);
}

/** A reference to a storage of `count` elements, such as `storage("FloatStorage", "0", 6)`. */
export function storage(type: string, key: string, count: number): Bytes {
  return concat(tuple("storage", named("torch", type), key, "cpu", count), op(0x51));
}

export interface TensorView {
  shape: number[];
  strides?: number[];
  offset?: number;
}

/** A tensor over a storage, row-major where no strides are given. */
export function tensor(
  over: Bytes,
  { shape, strides = rowMajor(shape), offset = 0 }: TensorView,
): Bytes {
  const hooks = call("collections", "OrderedDict");
  return call(
    "torch._utils",
    "_rebuild_tensor_v2",
    over,
    save(offset),
    tuple(...shape),
    tuple(...strides),
    false,
    hooks,
  );
}

function rowMajor(shape: number[]): number[] {
  return shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
}
