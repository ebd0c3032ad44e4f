/**
 * Finds the nodes of a graph that stand for values of their own.
 *
 * - A reshape is no node at all: its reader reads the reshaped tensor by the same flat index. Nor is
 *   a slice that is one run of elements, where a binding may begin at the first of them.
 * - Equal calls are one node.
 */
import { sliceOffset } from "./ops/shape.ts";
import { behind } from "./roots.ts";
import type { Tensor } from "./tensor.ts";

/** Bindings may begin at multiples of this, in bytes. */
const BINDING_ALIGNMENT = 256;

/** Where a tensor's values are. */
interface Place {
  readonly node: Tensor;
  readonly offset: number;
}

/** Nodes, and where to find the values of all others. */
export interface LiveNodes {
  readonly nodes: readonly Tensor[];
  /** The node that holds a tensor's values: behind reshapes and runs, the first of equal calls. */
  storage(tensor: Tensor): Tensor;
  /** Which of that node's elements is the first of the tensor. */
  offset(tensor: Tensor): number;
}

/**
 * Collects the nodes behind `roots` in topological order, with reshapes, runs and repeats resolved.
 * An element takes `elementBytes` or more.
 */
export function liveNodes(roots: readonly Tensor[], elementBytes: number): LiveNodes {
  const alignment = BINDING_ALIGNMENT / elementBytes;
  const resolved = new Map<Tensor, Place>();
  const byCall = new Map<string, Place>();
  const nodes: Tensor[] = [];
  const given = new Set(roots);

  const resolve = (node: Tensor): Place => {
    const { source } = node;
    if (source.kind === "op" && source.op.name === "reshape") {
      return resolved.get(source.inputs.x!)!;
    }
    const run = given.has(node) ? null : runOf(node, alignment);
    if (run !== null && source.kind === "op") {
      const { node: whole, offset } = resolved.get(source.inputs.x!)!;
      return { node: whole, offset: offset + run };
    }
    const key = callKey(node, (input) => resolved.get(input)!);
    const known = byCall.get(key);
    if (known) return known;
    const place = { node, offset: 0 };
    byCall.set(key, place);
    nodes.push(node);
    return place;
  };

  for (const node of behind(roots)) resolved.set(node, resolve(node));
  return {
    nodes,
    storage: (tensor: Tensor) => resolved.get(tensor)!.node,
    offset: (tensor: Tensor) => resolved.get(tensor)!.offset,
  };
}

/** The first element of a slice that can be bound by itself; null for any other node. */
function runOf({ source }: Tensor, alignment: number): number | null {
  if (source.kind !== "op" || source.op.name !== "slice") return null;
  const attrs = source.attrs as Parameters<typeof sliceOffset>[1];
  const offset = sliceOffset(source.inputs.x!.shape, attrs);
  return offset !== null && offset % alignment === 0 ? offset : null;
}

/** Two nodes with the same key have the same values. */
function callKey(node: Tensor, place: (input: Tensor) => Place): string {
  const { source } = node;
  if (source.kind === "constant") {
    // Comparing long constants would cost more than storing one twice.
    return source.data.length > 16 ? `#${node.id}` : `${node.dtype}[${source.data}]`;
  }
  if (source.kind !== "op") return `${source.kind} ${source.name}`;
  const inputs = Object.entries(source.inputs).map(([name, input]) => {
    const { node, offset } = place(input);
    return `${name}:${node.id}+${offset}[${input.shape}]`;
  });
  return `${source.op.name}(${inputs}) ${JSON.stringify(source.attrs)}`;
}
