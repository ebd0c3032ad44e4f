/**
 * Gradients that compute values again instead of having them kept: of all that a graph computes on
 * the way to a value, only some tensors live on until the gradient needs them.
 */
import { behind, mapRoots, mapValues, type Roots, rootsOf } from "./roots.ts";
import { numel, Tensor } from "./tensor.ts";

/** Smaller tensors than this are always kept: they take more time than memory. */
const SMALL_BYTES = 2 ** 20;

/**
 * The same program, in which whatever is not behind `value` itself reads nothing large from behind
 * it but `kept`, and has the rest computed again from these, once.
 */
export function recompute(
  roots: Roots,
  value: Tensor,
  kept: ReadonlySet<Tensor>,
  smallBytes = SMALL_BYTES,
): Roots {
  const forward = new Set(behind([value]));
  const again = new Map<Tensor, Tensor>();
  const remade = (node: Tensor): Tensor => {
    const { source } = node;
    if (source.kind !== "op" || kept.has(node) || node === value) return node;
    if (4 * numel(node.shape) <= smallBytes) return node;
    const known = again.get(node);
    if (known) return known;
    const inputs = mapValues(source.inputs, remade);
    // Without an attribute of its own it would be one node with the first.
    const made = new Tensor(node.shape, node.dtype, {
      ...source,
      inputs,
      attrs: { ...source.attrs, again: true },
    });
    again.set(node, made);
    return made;
  };
  const after = new Map<Tensor, Tensor>();
  const mapped = (node: Tensor) => after.get(node) ?? (forward.has(node) ? remade(node) : node);
  // In order, so that each value is made again just before it is first needed.
  for (const node of behind(rootsOf(roots))) {
    if (forward.has(node) || node.source.kind !== "op") continue;
    const inputs = mapValues(node.source.inputs, mapped);
    after.set(node, new Tensor(node.shape, node.dtype, { ...node.source, inputs }));
  }
  return mapRoots(roots, (root) => after.get(root) ?? root);
}
