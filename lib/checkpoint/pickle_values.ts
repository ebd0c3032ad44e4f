import { refuse } from "./refusal.ts";

/** What a pickle describes, as plain data: nothing in here has behaviour of its own. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | PickleBytes
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

/** A run of bytes, or a text too long to be a name, of which only the beginning is in memory. */
export class PickleBytes {
  constructor(
    readonly size: number,
    /** All of it if it is short; see `HEAD_BYTES`. */
    readonly head: Uint8Array,
    /** Where it begins in what the pickle was read from; null if it stands there in another form. */
    readonly offset: number | null,
  ) {}
}

/** An instance of a class that only holds data, such as `argparse.Namespace`. */
export class PickleObject {
  /** What the pickle stored for it, a dict of its attributes as a rule. */
  state: PickleValue = null;
  constructor(readonly className: string) {}
}

/** An object that holds named tensors, and others of its kind in turn: a layer, or a network. */
export abstract class PickleModule extends PickleObject {
  /** Its class, or the function that builds it. */
  abstract get builder(): string;
  /** The arguments that it was made with. */
  abstract get args(): PickleValue;
  abstract get kwargs(): PickleValue;
  /** Its attributes that are neither tensors nor such objects, with others of no interest. */
  abstract get attributes(): PickleDict;
  /** What it holds by name: tensors, and the objects within it. */
  abstract get contents(): Iterable<[name: PickleValue, value: PickleValue]>;
}

/** A function or class of Python that nada knows a plain meaning for. */
export class PickleGlobal {
  constructor(
    readonly name: string,
    readonly build: (args: readonly PickleValue[]) => PickleValue,
  ) {}
}

/** A table of functions by their full name, as a table of globals has them. */
export function functions(
  builds: Readonly<Record<string, PickleGlobal["build"]>>,
): [fullName: string, value: PickleGlobal][] {
  return Object.entries(builds).map(([name, build]) => [name, new PickleGlobal(name, build)]);
}

/** Base of the values that a table of globals adds, such as a tensor. */
export abstract class PickleExtra {
  /** What BUILD does with the state that the pickle has for it, if it may have one. */
  setState?(state: PickleValue): void;
}

/** The items of a tuple or a list; refuses anything else. */
export function items(value: PickleValue | undefined): readonly PickleValue[] {
  if (value instanceof PickleTuple) return value.items;
  if (Array.isArray(value)) return value satisfies PickleList;
  refuse(`its pickle has ${describe(value)} where a tuple belongs`);
}

/** A short name for messages: what kind of thing `value` is, and which. */
export function describe(value: PickleValue | undefined): string {
  if (value === undefined) return "nothing";
  if (value === null) return "None";
  if (typeof value === "string") return JSON.stringify(value.slice(0, 80));
  if (typeof value !== "object") return String(value).slice(0, 80);
  if (value instanceof PickleBytes) return "bytes";
  if (Array.isArray(value)) return "a list";
  if (value instanceof PickleTuple) return "a tuple";
  if (value instanceof Map) return "a dict";
  if (value instanceof PickleObject) return `an object of class "${value.className}"`;
  if (value instanceof PickleGlobal) return `"${value.name}"`;
  return `a ${value.constructor.name}`;
}
