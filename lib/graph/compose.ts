/** Replaces composite ops by those that an adapter is to run. */
import type { AdapterKind } from "../gpu/device.ts";
import { behind, mapRoots, mapValues, type Roots, rootsOf } from "./roots.ts";
import { Tensor } from "./tensor.ts";

/** The same program without composite ops. */
export function compose(roots: Roots, adapter: AdapterKind): Roots {
  const isComposite = ({ source }: Tensor) =>
    source.kind === "op" && source.op.kind === "composite";
  const nodes = behind(rootsOf(roots));
  const first = nodes.find(isComposite);
  if (!first) return roots;

  const made = new Map<Tensor, Tensor>();
  const replaced = (node: Tensor): Tensor => {
    const known = made.get(node);
    if (known) return known;
    const value = rebuilt(node);
    made.set(node, value);
    return value;
  };
  function rebuilt(node: Tensor): Tensor {
    const { source } = node;
    if (source.kind !== "op" || node.id < first!.id) return node;
    const inputs = mapValues(source.inputs, replaced);
    if (source.op.kind === "composite") {
      // Which may be made of composite ops in turn.
      return replaced(source.op.compose(inputs, source.attrs, adapter));
    }
    // Also where nothing changes: the order of nodes is that in which they run.
    return new Tensor(node.shape, node.dtype, { ...source, inputs });
  }
  // Inputs first, so that no chain is followed to its end.
  nodes.forEach(replaced);
  return mapRoots(roots, replaced);
}
