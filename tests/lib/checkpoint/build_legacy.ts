import { dict, named, op, type Picklable, pickle, save, tuple } from "./build_pickle.ts";
import { type Bytes, bytesOf, concat, fields } from "./bytes.ts";

/** The number that PyTorch's files began with before 1.6, as a pickle. */
const MAGIC = op(
  0x80,
  2,
  0x8a,
  10,
  0x6c,
  0xfc,
  0x9c,
  0x46,
  0xf9,
  0x20,
  0x6a,
  0xa8,
  0x50,
  0x19,
  0x2e,
);

export interface LegacyFile {
  content: Picklable;
  /** Elements by storage key, and how many. */
  storages?: Record<string, [count: number, elements: ArrayBufferView<ArrayBuffer>]>;
  /** For lies about them. */
  order?: string[];
  version?: number;
  littleEndian?: Picklable;
}

/** A file in the layout of `torch.save` before PyTorch 1.6. */
export function buildLegacy(
  { content, storages = {}, order = Object.keys(storages), version = 1001, littleEndian = true }:
    LegacyFile,
): Bytes {
  return concat(
    MAGIC,
    pickle(version),
    pickle(dict({ protocol_version: 1001, little_endian: littleEndian, type_sizes: dict({}) })),
    pickle(content),
    pickle(order),
    ...Object.values(storages).flatMap(([count, elements]) => [
      fields([8, count]),
      bytesOf(elements),
    ]),
  );
}

/** A reference to a storage as these files have it, with the part of another that it may be. */
export function legacyStorage(
  type: string,
  key: string,
  count: number,
  view: Picklable = null,
): Bytes {
  const id = tuple("storage", named("torch", type), key, "cpu", count, view);
  return concat(id, op(0x51));
}

/** The bytes of a storage that is saved within another pickle. */
export function savedStorage(
  type: string,
  count: number,
  elements: ArrayBufferView<ArrayBuffer>,
): Bytes {
  return buildLegacy({
    content: concat(save(legacyStorage(type, "7", count))),
    storages: { 7: [count, elements] },
  });
}
