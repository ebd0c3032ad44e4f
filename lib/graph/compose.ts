/** Replaces ops by others that an adapter is to run. */
import type { AdapterKind, Limits } from "../gpu/device.ts";
import { application } from "./fuse.ts";
import { byFewerProducts } from "./ops/winograd.ts";
import type { Precision } from "./precision.ts";
import { behind, mapRoots, mapValues, type Roots, rootsOf } from "./roots.ts";
import { Tensor } from "./tensor.ts";
import { wayOf } from "./ways.ts";

/**
 * The same program without composite ops. What takes less time in other ops is replaced too: on GPUs
 * as `ways.ts` says, on software adapters wide convolutions, but in f32 alone, as f16 would lose too
 * much of what these store.
 */
export function compose(
  roots: Roots,
  adapter: AdapterKind,
  limits: Limits,
  precision: Precision,
): Roots {
  const quicker = (node: Tensor): Tensor | null => {
    if (adapter === "cpu") return precision === "f32" ? byFewerProducts(application(node)) : null;
    return wayOf(node, adapter, limits)?.other ?? null;
  };
  const made = new Map<Tensor, Tensor>();
  const replaced = (node: Tensor): Tensor => {
    const known = made.get(node);
    if (known) return known;
    const value = rebuilt(node);
    made.set(node, value).set(value, value);
    return value;
  };
  function rebuilt(node: Tensor): Tensor {
    const { source } = node;
    if (source.kind !== "op") return node;
    // Made anew even where nothing changes: the order of nodes is that in which they run.
    const inputs = mapValues(source.inputs, replaced);
    const same = new Tensor(node.shape, node.dtype, { ...source, inputs });
    const { op, attrs } = source;
    const other = quicker(same) ??
      (op.kind === "composite" ? op.compose(inputs, attrs, adapter) : null);
    return other ? replaced(other) : same; // other ops may be such as are replaced in turn
  }
  // Inputs first, so that no chain is followed to its end.
  behind(rootsOf(roots)).forEach(replaced);
  return mapRoots(roots, replaced);
}
