import { type Bytes, concat, fields, utf8 } from "./bytes.ts";

/** A value for `pickle()`: lists are arrays, dicts are Maps, bytes are instructions as they are. */
export type Picklable =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Picklable[]
  | Map<Picklable, Picklable>;

/** A whole pickle of protocol 2 that describes `value`. */
export function pickle(value: Picklable): Bytes {
  return concat(op(0x80, 2), save(value), op(0x2e));
}

export function op(...codes: number[]): Bytes {
  return Uint8Array.from(codes);
}

export function save(value: Picklable): Bytes {
  if (value === null) return op(0x4e);
  if (typeof value === "boolean") return op(value ? 0x88 : 0x89);
  if (typeof value === "bigint") return concat(op(0x8a, 16), fields([16, value]));
  if (typeof value === "string") {
    return concat(op(0x58), fields([4, utf8(value).length]), utf8(value));
  }
  if (typeof value === "number") return saveNumber(value);
  if (value instanceof Uint8Array) return concat(value);
  if (Array.isArray(value)) return concat(op(0x5d, 0x28), ...value.map(save), op(0x65));
  const items = [...value].flatMap(([key, item]) => [save(key), save(item)]);
  return concat(op(0x7d, 0x28), ...items, op(0x75));
}

function saveNumber(value: number): Bytes {
  if (Number.isInteger(value) && Math.abs(value) < 2 ** 31) {
    return concat(op(0x4a), fields([4, value]));
  }
  if (Number.isInteger(value)) return save(BigInt(value));
  const bytes = new DataView(new ArrayBuffer(8));
  bytes.setFloat64(0, value);
  return concat(op(0x47), new Uint8Array(bytes.buffer));
}

export function dict(values: Record<string, Picklable>): Map<Picklable, Picklable> {
  return new Map(Object.entries(values));
}

export function tuple(...items: Picklable[]): Bytes {
  return concat(op(0x28), ...items.map(save), op(0x74));
}

/** A function or class of Python. */
export function named(module: string, name: string): Bytes {
  return concat(op(0x63), utf8(`${module}\n${name}\n`));
}

export function call(module: string, name: string, ...args: Picklable[]): Bytes {
  return concat(named(module, name), tuple(...args), op(0x52));
}

/** An instance of a class with its state, as TorchScript and `argparse.Namespace` are stored. */
export function instance(module: string, name: string, state: Picklable): Bytes {
  return concat(named(module, name), op(0x29, 0x81), save(state), op(0x62));
}

export function bytes(content: Uint8Array): Bytes {
  return concat(op(0x42), fields([4, content.length]), content);
}

/** An OrderedDict with an attribute, as `state_dict()` makes them. */
export function orderedDict(values: Record<string, Picklable>): Bytes {
  const items = Object.entries(values).flatMap(([key, item]) => [save(key), save(item)]);
  return concat(
    call("collections", "OrderedDict"),
    op(0x28),
    ...items,
    op(0x75),
    save(dict({ _metadata: dict({ version: 1 }) })),
    op(0x62),
  );
}
