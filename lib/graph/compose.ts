/** Replaces ops by others that an adapter is to run. */
import type { AdapterKind } from "../gpu/device.ts";
import { inShorterSums } from "./ops/long_sums.ts";
import { byFewerProducts } from "./ops/winograd.ts";
import type { Precision } from "./precision.ts";
import { behind, mapRoots, mapValues, type Roots, rootsOf } from "./roots.ts";
import type { Call } from "./split.ts";
import { Tensor } from "./tensor.ts";

/**
 * The same program without composite ops. What takes less time in other ops is replaced too: on GPUs
 * products with long sums, on software adapters wide convolutions, but in f32 alone, as f16 would lose
 * too much of what these store.
 */
export function compose(roots: Roots, adapter: AdapterKind, precision: Precision): Roots {
  const inOtherOps = (call: Call): Tensor | null => {
    const { op, inputs, attrs } = call;
    const quicker = adapter === "gpu"
      ? inShorterSums(call)
      : precision === "f32"
      ? byFewerProducts(call)
      : null;
    return quicker ?? (op.kind === "composite" ? op.compose(inputs, attrs, adapter) : null);
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
    const call = { ...source, inputs: mapValues(source.inputs, replaced) };
    const other = inOtherOps(call);
    // Which may be made of such ops in turn. The rest is made anew even where nothing changes: the
    // order of nodes is that in which they run.
    return other ? replaced(other) : new Tensor(node.shape, node.dtype, call);
  }
  // Inputs first, so that no chain is followed to its end.
  behind(rootsOf(roots)).forEach(replaced);
  return mapRoots(roots, replaced);
}
