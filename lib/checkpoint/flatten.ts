import { refuse } from "./refusal.ts";
import {
  describe,
  PickleExtra,
  PickleModule,
  PickleObject,
  PickleTuple,
  type PickleValue,
} from "./pickle_values.ts";

/** A value that is no tensor; integers beyond 2^53 come as their decimal text. */
export type Scalar = number | string | boolean;

/** A value made of text, numbers and truth values, in lists and dicts; null for anything else. */
export type Plain = Scalar | null | readonly Plain[] | { readonly [key: string]: Plain };

/** What an object that holds tensors was made by. */
export interface ModuleAbout {
  /** Its class, such as "SynthesisLayer"; in TensorFlow's networks the function that builds it. */
  readonly className: string;
  readonly args: readonly Plain[];
  readonly kwargs: Readonly<Record<string, Plain>>;
  /** Those of its attributes that are numbers, text or truth values. */
  readonly attributes: Readonly<Record<string, Plain>>;
}

const MAX_DEPTH = 64;
const MAX_NAME_LENGTH = 1024;
/** Shared containers are visited once per path to them, which can double at every level. */
const MAX_VISITS = 2 ** 20;
/** The name of a tensor that is saved alone, in no container. */
const ROOT_NAME = "tensor";

/**
 * The leaves of nested containers by path: keys, list indices and attribute names joined by ".".
 * `extras` are the values of the table of globals, such as tensors. None, bytes, functions and
 * empty containers leave no trace, and of modules their contents alone are named.
 */
export function flatten(root: PickleValue): {
  extras: Map<string, PickleExtra>;
  scalars: Map<string, Scalar>;
  modules: Map<string, ModuleAbout>;
} {
  const extras = new Map<string, PickleExtra>();
  const scalars = new Map<string, Scalar>();
  const modules = new Map<string, ModuleAbout>();
  let visits = 0;

  function add<T>(leaves: Map<string, T>, path: string, leaf: T): void {
    const name = path || ROOT_NAME;
    if (extras.has(name) || scalars.has(name)) refuse(`two of its values are called "${name}"`);
    leaves.set(name, leaf);
  }

  function count(depth: number): void {
    if (++visits > MAX_VISITS) refuse(`it holds more than ${MAX_VISITS} values`);
    if (depth > MAX_DEPTH) refuse(`its containers are nested over ${MAX_DEPTH} deep`);
  }

  function visit(value: PickleValue, path: string, depth: number): void {
    count(depth);
    if (path.length > MAX_NAME_LENGTH) {
      refuse(`it has a name of ${path.length} characters, "${path.slice(0, 60)}…"`);
    }
    if (value instanceof PickleModule) {
      modules.set(path, about(value, depth + 1));
      visitAll(value.contents, path, depth + 1);
    } else if (value instanceof PickleObject) {
      visit(value.state, path, depth + 1);
    } else if (value instanceof PickleExtra) {
      add(extras, path, value);
    } else if (typeof value === "bigint") {
      add(scalars, path, String(value));
    } else if (isScalar(value)) {
      add(scalars, path, value);
    } else {
      visitAll(children(value), path, depth + 1);
    }
  }

  function visitAll(
    items: Iterable<[PickleValue, PickleValue]>,
    path: string,
    depth: number,
  ): void {
    for (const [key, item] of items) {
      visit(item, path === "" ? keyText(key) : `${path}.${keyText(key)}`, depth);
    }
  }

  function about(value: PickleModule, depth: number): ModuleAbout {
    const args = plain(value.args, depth);
    const attributes = [...value.attributes].filter(([, item]) => isScalar(item));
    return {
      className: value.builder,
      args: Array.isArray(args) ? args : [],
      kwargs: record(plain(value.kwargs, depth)),
      attributes: record(plain(new Map(attributes), depth)),
    };
  }

  function plain(value: PickleValue, depth: number): Plain {
    count(depth);
    if (typeof value === "bigint") return String(value);
    if (isScalar(value)) return value;
    if (value instanceof Map) {
      return Object.fromEntries(
        [...value].map(([key, item]) => [keyText(key), plain(item, depth + 1)]),
      );
    }
    if (Array.isArray(value)) return value.map((item) => plain(item, depth + 1));
    if (value instanceof PickleTuple) return value.items.map((item) => plain(item, depth + 1));
    return null;
  }

  visit(root, "", 0);
  return { extras, scalars, modules };
}

function record(value: Plain): Readonly<Record<string, Plain>> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? value as Readonly<Record<string, Plain>>
    : {};
}

function isScalar(value: PickleValue): value is Scalar {
  return typeof value === "number" || typeof value === "string" || typeof value === "boolean";
}

function children(value: PickleValue): Iterable<[PickleValue, PickleValue]> {
  if (value instanceof Map) return value;
  if (Array.isArray(value)) return value.entries();
  if (value instanceof PickleTuple) return value.items.entries();
  return [];
}

function keyText(key: PickleValue): string {
  if (isScalar(key) || typeof key === "bigint") return String(key);
  refuse(`it has a dict with ${describe(key)} for a key; nada reads keys of text or numbers`);
}
