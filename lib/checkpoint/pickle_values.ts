/** What a pickle describes, as plain data: nothing in here has behaviour of its own. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleList
  | PickleTuple
  | PickleDict
  | PickleObject
  | PickleGlobal
  | PickleExtra;

export type PickleList = PickleValue[];
/** Keys are compared as `Map` does: by value for text and numbers, by identity for the rest. */
export type PickleDict = Map<PickleValue, PickleValue>;

export class PickleTuple {
  constructor(readonly items: readonly PickleValue[]) {}
}

/** An instance of a class that only holds data, such as `argparse.Namespace`. */
export class PickleObject {
  /** What the pickle stored for it, a dict of its attributes as a rule. */
  state: PickleValue = null;
  constructor(readonly className: string) {}
}

/** A function or class of Python that nada knows a plain meaning for. */
export class PickleGlobal {
  constructor(
    readonly name: string,
    readonly build: (args: readonly PickleValue[]) => PickleValue,
  ) {}
}

/** Base of the values that a table of globals adds, such as a tensor. */
export abstract class PickleExtra {}

/** A short name for messages: what kind of thing `value` is, and which. */
export function describe(value: PickleValue | undefined): string {
  if (value === undefined) return "nothing";
  if (value === null) return "None";
  if (typeof value === "string") return JSON.stringify(value.slice(0, 80));
  if (typeof value !== "object") return String(value).slice(0, 80);
  if (value instanceof Uint8Array) return "bytes";
  if (Array.isArray(value)) return "a list";
  if (value instanceof PickleTuple) return "a tuple";
  if (value instanceof Map) return "a dict";
  if (value instanceof PickleObject) return `an object of class "${value.className}"`;
  if (value instanceof PickleGlobal) return `"${value.name}"`;
  return `a ${value.constructor.name}`;
}
