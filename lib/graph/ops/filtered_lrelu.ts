/**
 * The filtered leaky ReLU of "Alias-Free Generative Adversarial Networks" (Karras et al., 2021): the
 * nonlinearity makes frequencies that its grid cannot hold, so it works on a finer one, between an
 * interpolating and a low-pass filter.
 */
import { defineElementwise, type Op } from "../op.ts";
import { dims, type Tensor } from "../tensor.ts";
import { f32Literal } from "../wgsl.ts";
import { mul } from "./elementwise.ts";
import { upfirdn1d } from "./upfirdn1d.ts";
import { upfirdn2d } from "./upfirdn2d.ts";

interface ClampedLreluAttrs {
  readonly slope: number;
  readonly gain: number;
  /** Largest magnitude of a result; Infinity for no limit. */
  readonly limit: number;
}

/** `y = clamp(gain * max(x, slope * x), ±limit)`, with `0 <= slope <= 1` and `gain > 0`. */
export const clampedLrelu: Op<"x", ClampedLreluAttrs> = defineElementwise({
  name: "clamped_lrelu",
  inputs: ["x"],
  cheap: true,
  expression({ x }, { slope, gain, limit }) {
    const y = `${f32Literal(gain)} * max(${x}, ${f32Literal(slope)} * ${x})`;
    return limit === Infinity ? y : `clamp(${y}, ${f32Literal(-limit)}, ${f32Literal(limit)})`;
  },
  scalar: ({ x }, { slope, gain, limit }) =>
    Math.max(-limit, Math.min(limit, gain * Math.max(x, slope * x))),
  // y tells on which of the four pieces x was, so that x need not outlive the forward pass.
  vjp: (gy, { out }, attrs) => ({ x: clampedLreluGrad({ gy, y: out }, attrs) }),
  samples: [
    { inputs: { x: [2, 3, 5, 7] }, attrs: { slope: 0.2, gain: Math.SQRT2, limit: 0.9 } },
    { inputs: { x: [513] }, attrs: { slope: 1, gain: 1, limit: 1.5 } },
    { inputs: { x: [5, 7] }, attrs: { slope: 0.2, gain: 2, limit: Infinity } },
  ],
});

/** Cotangent of `clampedLrelu`'s input from that of its output and the output itself. */
const clampedLreluGrad: Op<"gy" | "y", ClampedLreluAttrs> = defineElementwise({
  name: "clamped_lrelu_grad",
  inputs: ["gy", "y"],
  cheap: true,
  expression({ gy, y }, { slope, gain, limit }) {
    const factor = `select(${f32Literal(gain * slope)}, ${f32Literal(gain)}, ${y} > 0.0)`;
    if (limit === Infinity) return `${gy} * ${factor}`;
    return `select(0.0, ${gy} * ${factor}, abs(${y}) < ${f32Literal(limit)})`;
  },
  scalar: ({ gy, y }, { slope, gain, limit }) =>
    Math.abs(y) < limit ? gy * (y > 0 ? gain : gain * slope) : 0,
  vjp: (g, { y }, attrs) => ({ gy: clampedLreluGrad({ gy: g, y }, attrs), y: null }),
  samples: [
    { inputs: { gy: [3, 5], y: [3, 5] }, attrs: { slope: 0.2, gain: Math.SQRT2, limit: 1.1 } },
    { inputs: { gy: [7], y: [7] }, attrs: { slope: 1, gain: 1, limit: Infinity } },
  ],
});

export interface FilteredLreluAttrs extends ClampedLreluAttrs {
  readonly up: number;
  readonly down: number;
  /** Before and after, along both axes, in samples after zero insertion; negative values crop. */
  readonly pad: readonly [number, number];
}

/** Filters on both sides of the nonlinearity: `[taps]` for each axis, or `[kh, kw]` for the plane. */
export interface Filters {
  readonly up: Tensor;
  readonly down: Tensor;
}

/** x `[n, c, h, w]`, upsampled, activated and downsampled. No gradient flows to the filters. */
export function filteredLrelu(x: Tensor, filters: Filters, attrs: FilteredLreluAttrs): Tensor {
  const { up, down, pad } = attrs;
  const { slope, gain, limit } = attrs;
  // What zero insertion takes away is given back along each axis.
  const fine = filterPlane(x, filters.up, { up, down: 1, pad, gain: up });
  const y = clampedLrelu({ x: fine }, { slope, gain, limit });
  return filterPlane(y, filters.down, { up: 1, down, pad: [0, 0], gain: 1 });
}

interface PlaneAttrs extends Pick<FilteredLreluAttrs, "up" | "down" | "pad"> {
  /** Along each axis. */
  readonly gain: number;
}

/** The filter along both axes, or over the plane where it is no product of two. */
function filterPlane(x: Tensor, f: Tensor, { up, down, pad, gain }: PlaneAttrs): Tensor {
  if (f.rank === 1) {
    const rows = upfirdn1d({ x, f }, { axis: 3, up, down, pad, gain });
    return upfirdn1d({ x: rows, f }, { axis: 2, up, down, pad, gain });
  }
  dims(f, "kh kw");
  const y = upfirdn2d({ x, f }, { up, down, pad: [...pad, ...pad] });
  return gain === 1 ? y : mul(y, gain ** 2);
}
