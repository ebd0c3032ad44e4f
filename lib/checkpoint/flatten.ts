import { refuse } from "./refusal.ts";
import {
  describe,
  PickleExtra,
  PickleObject,
  PickleTuple,
  type PickleValue,
} from "./pickle_values.ts";

/** A value that is no tensor; integers beyond 2^53 come as their decimal text. */
export type Scalar = number | string | boolean;

const MAX_DEPTH = 64;
const MAX_NAME_LENGTH = 1024;
/** Shared containers are visited once per path to them, which can double at every level. */
const MAX_VISITS = 2 ** 20;
/** The name of a tensor that is saved alone, in no container. */
const ROOT_NAME = "tensor";

/**
 * The leaves of nested containers by path: keys, list indices and attribute names joined by ".".
 * `extras` are the values of the table of globals, such as tensors. None, bytes, functions and
 * empty containers leave no trace.
 */
export function flatten(root: PickleValue): {
  extras: Map<string, PickleExtra>;
  scalars: Map<string, Scalar>;
} {
  const extras = new Map<string, PickleExtra>();
  const scalars = new Map<string, Scalar>();
  let visits = 0;

  function add<T>(leaves: Map<string, T>, path: string, leaf: T): void {
    const name = path || ROOT_NAME;
    if (extras.has(name) || scalars.has(name)) refuse(`two of its values are called "${name}"`);
    leaves.set(name, leaf);
  }

  function visit(value: PickleValue, path: string, depth: number): void {
    if (++visits > MAX_VISITS) refuse(`it holds more than ${MAX_VISITS} values`);
    if (depth > MAX_DEPTH) refuse(`its containers are nested over ${MAX_DEPTH} deep`);
    if (path.length > MAX_NAME_LENGTH) {
      refuse(`it has a name of ${path.length} characters, "${path.slice(0, 60)}…"`);
    }
    if (value instanceof PickleObject) {
      visit(value.state, path, depth + 1);
    } else if (value instanceof PickleExtra) {
      add(extras, path, value);
    } else if (typeof value === "bigint") {
      add(scalars, path, String(value));
    } else if (isScalar(value)) {
      add(scalars, path, value);
    } else {
      for (const [key, item] of children(value)) {
        visit(item, path === "" ? keyText(key) : `${path}.${keyText(key)}`, depth + 1);
      }
    }
  }
  visit(root, "", 0);
  return { extras, scalars };
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
