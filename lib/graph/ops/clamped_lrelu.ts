/** A leaky ReLU with a limit on both sides. */
import { again, type Recomputing } from "../again.ts";
import { defineElementwise, type Op } from "../op.ts";
import { f32Literal } from "../wgsl.ts";

export interface ClampedLreluAttrs {
  readonly slope: number;
  readonly gain: number;
  /** Largest magnitude of a result; Infinity for no limit. */
  readonly limit: number;
}

/** `clampedLrelu` of a number. */
export const clampedLreluAt = (x: number, { slope, gain, limit }: ClampedLreluAttrs): number =>
  Math.max(-limit, Math.min(limit, gain * Math.max(x, slope * x)));

/** From which magnitude on a result counts as limited: also when it was rounded to f16 since. */
const limitedFrom = ({ limit }: ClampedLreluAttrs) => Math.min(limit, Math.f16round(limit));

/** Its slope where it gave y. */
export const slopeBehind = (y: number, attrs: ClampedLreluAttrs): number =>
  Math.abs(y) < limitedFrom(attrs) ? (y > 0 ? attrs.gain : attrs.gain * attrs.slope) : 0;

/** `y = clamp(gain * max(x, slope * x), ±limit)`, with `0 <= slope <= 1` and `gain > 0`. */
export const clampedLrelu: Op<"x", ClampedLreluAttrs & Recomputing> = defineElementwise({
  name: "clamped_lrelu",
  inputs: ["x"],
  cheap: true,
  expression({ x }, { slope, gain, limit }) {
    const y = `${f32Literal(gain)} * max(${x}, ${f32Literal(slope)} * ${x})`;
    return limit === Infinity ? y : `clamp(${y}, ${f32Literal(-limit)}, ${f32Literal(limit)})`;
  },
  scalar: ({ x }, attrs) => clampedLreluAt(x, attrs),
  // y tells on which of the four pieces x was, so that x need not outlive the forward pass.
  vjp: (gy, { out }, { recompute = 0, ...attrs }) => ({
    x: clampedLreluGrad({ gy, y: again(out, recompute) }, attrs),
  }),
  samples: [
    { inputs: { x: [2, 3, 5, 7] }, attrs: { slope: 0.2, gain: Math.SQRT2, limit: 0.9 } },
    { inputs: { x: [513] }, attrs: { slope: 1, gain: 1, limit: 1.5 } },
    { inputs: { x: [5, 7] }, attrs: { slope: 0.2, gain: 2, limit: Infinity } },
  ],
});

/** Cotangent of `clampedLrelu`'s input from that of its output and the output itself. */
export const clampedLreluGrad: Op<"gy" | "y", ClampedLreluAttrs> = defineElementwise({
  name: "clamped_lrelu_grad",
  inputs: ["gy", "y"],
  cheap: true,
  expression({ gy, y }, attrs) {
    const { slope, gain, limit } = attrs;
    const factor = `select(${f32Literal(gain * slope)}, ${f32Literal(gain)}, ${y} > 0.0)`;
    if (limit === Infinity) return `${gy} * ${factor}`;
    return `select(0.0, ${gy} * ${factor}, abs(${y}) < ${f32Literal(limitedFrom(attrs))})`;
  },
  scalar: ({ gy, y }, attrs) => gy * slopeBehind(y, attrs),
  vjp: (g, { y }, attrs) => ({ gy: clampedLreluGrad({ gy: g, y }, attrs), y: null }),
  samples: [
    { inputs: { gy: [3, 5], y: [3, 5] }, attrs: { slope: 0.2, gain: Math.SQRT2, limit: 1.1 } },
    { inputs: { gy: [7], y: [7] }, attrs: { slope: 1, gain: 1, limit: Infinity } },
  ],
});
