/** The ways in which an adapter can compute a call: by each kernel of its op, or by other ops. */
import type { AdapterKind, Limits } from "../gpu/device.ts";
import { candidates, kernelFor, taken } from "./codegen.ts";
import { application } from "./fuse.ts";
import { winogradFused } from "./ops/winograd_fused.ts";
import type { Tensor } from "./tensor.ts";

export interface Way {
  /** A kernel's, or what the other ops are known by. */
  readonly name: string;
  /** What it is counted to cost. */
  readonly cost: number;
  /** Whether it is a kernel that multiplies in f16. */
  readonly half?: boolean;
  /** The same value by other ops. */
  readonly other?: Tensor;
}

/** Other ops are taken for a kernel only if they are counted to take no more than this of its time. */
const WORTH = 0.9;

export function waysOf(node: Tensor, adapter: AdapterKind, limits: Limits): Way[] {
  const kernels: Way[] = candidates(node, adapter, limits);
  const other = adapter === "gpu" ? winogradFused(application(node)) : null;
  if (!other) return kernels;
  const steps = [other, application(other).inputs.u!].map((one) => kernelFor(one, adapter, limits));
  if (steps.includes(null)) return kernels;
  const cost = steps.reduce((sum, step) => sum + step!.cost, 0);
  return [...kernels, { name: "winograd", cost: cost / WORTH, other }];
}

/** The way that is taken: the fastest that is known, or else the cheapest; null if there is none. */
export function wayOf(node: Tensor, adapter: AdapterKind, limits: Limits): Way | null {
  return taken(waysOf(node, adapter, limits), node, limits);
}
