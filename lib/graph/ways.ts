/** The ways in which an adapter can compute a call: by each kernel of its op, or by other ops. */
import type { AdapterKind, Limits } from "../gpu/device.ts";
import { candidates, kernelFor, taken } from "./codegen.ts";
import { application } from "./fuse.ts";
import { matmulInParts, PARTS } from "./ops/long_sums.ts";
import { matmul, type MatmulAttrs } from "./ops/matmul.ts";
import { MORE } from "./ops/tiles.ts";
import { winogradFused } from "./ops/winograd_fused.ts";
import { numel, type Tensor } from "./tensor.ts";

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

export function waysOf(node: Tensor, adapter: AdapterKind, limits: Limits): Way[] {
  const kernels: Way[] = candidates(node, adapter, limits);
  if (adapter !== "gpu") return kernels;
  const costOf = (call: Tensor) => kernelFor(call, adapter, limits)?.cost ?? Infinity;
  const least = Math.min(...kernels.map(({ cost }) => cost));
  const others = [byWinograd(node, costOf), inParts(node, costOf, least)];
  return [...kernels, ...others.flatMap((way) => way && way.cost < Infinity ? way : [])];
}

/** The way that is taken: the fastest that is known, or else the cheapest; null if there is none. */
export function wayOf(node: Tensor, adapter: AdapterKind, limits: Limits): Way | null {
  return taken(waysOf(node, adapter, limits), node, limits);
}

/** What Winograd's form is counted to take has to be no more than this of a kernel's time. */
const WORTH = 0.9;

function byWinograd(node: Tensor, costOf: (call: Tensor) => number): Way | null {
  const other = winogradFused(application(node));
  if (!other) return null;
  const cost = costOf(other) + costOf(application(other).inputs.u!);
  return { name: "winograd", cost: cost / WORTH, other };
}

/** What cutting a sum saves has to be worth so many launches, of which it takes one. */
const LAUNCHES = 4;

/**
 * A product in the number of parts that is counted to cost the least; null where that cannot be less
 * than the `least` of its kernels.
 */
function inParts(node: Tensor, costOf: (call: Tensor) => number, least: number): Way | null {
  const { op, inputs, attrs } = application(node);
  if (op !== matmul.spec || least <= LAUNCHES * MORE.launch) return null;
  const { a, b } = inputs as Record<"a" | "b", Tensor>;
  const ways = PARTS.map((parts): Way => {
    const { each, whole } = matmulInParts({ a, b }, attrs as MatmulAttrs, parts);
    const adding = 4 * MORE.byte * (numel(each.shape) + numel(whole.shape));
    return { name: "in_parts", cost: costOf(each) + adding + LAUNCHES * MORE.launch, other: whole };
  });
  return ways.reduce((best, next) => best.cost <= next.cost ? best : next);
}
