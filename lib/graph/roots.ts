/** What a program is asked for, and all that is behind it. */
import type { Tensor } from "./tensor.ts";
import type { Update } from "./update.ts";

export interface Roots {
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly updates: readonly Update[];
}

export function rootsOf({ outputs, updates }: Roots): Set<Tensor> {
  return new Set([
    ...Object.values(outputs),
    ...updates.flatMap(({ values }) => Object.values(values)),
  ]);
}

/** The same program asked for other tensors. */
export function mapRoots({ outputs, updates }: Roots, map: (root: Tensor) => Tensor): Roots {
  return {
    outputs: mapValues(outputs, map),
    updates: updates.map((update) => ({ ...update, values: mapValues(update.values, map) })),
  };
}

/** All nodes behind some, these included; inputs before what is made from them. */
export function behind(nodes: Iterable<Tensor>): Tensor[] {
  const seen = new Set(nodes);
  for (const { source } of seen) {
    if (source.kind === "op") Object.values(source.inputs).forEach((input) => seen.add(input));
  }
  return [...seen].sort((a, b) => a.id - b.id);
}

export function mapValues<T, U>(
  values: Readonly<Record<string, T>>,
  map: (value: T) => U,
): Record<string, U> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, map(value)]));
}
