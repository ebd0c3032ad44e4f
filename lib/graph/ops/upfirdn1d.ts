/** Upsampling, filtering and downsampling along one axis in one step. */
import upfirdn1dWgsl from "../../../kernels/upfirdn1d.wgsl" with { type: "text" };
import { ShapeError } from "../../errors.ts";
import { defineOp, type Op } from "../op.ts";
import { dims, numel, type Shape } from "../tensor.ts";
import { PER_ELEMENT, perElement } from "./launch.ts";

export interface Upfirdn1dAttrs {
  readonly axis: number;
  readonly up: number;
  readonly down: number;
  /** Before and after, in samples after zero insertion; negative values crop. */
  readonly pad: readonly [number, number];
  /** The result is multiplied by it. */
  readonly gain: number;
  /** Correlates with the filter as it is stored instead of flipping it. */
  readonly correlate?: boolean;
}

type Sized = { readonly shape: Shape };

function sizes(x: Sized, f: Sized, { axis, up, down, pad: [before, after] }: Upfirdn1dAttrs) {
  const { taps } = dims(f, "taps");
  const lenIn = x.shape[axis] ?? 0;
  const lenOut = Math.floor((lenIn * up + before + after - taps) / down) + 1;
  if (lenIn < 1 || lenOut < 1) {
    throw new ShapeError(
      `Cannot filter axis ${axis} of [${x.shape}] by ${taps} taps with padding [${before}, ` +
        `${after}]: nothing is left`,
    );
  }
  return { taps, lenIn, lenOut, inner: numel(x.shape.slice(axis + 1)) };
}

/**
 * Inserts `up - 1` zeros after each sample of x along `axis`, pads, convolves with f `[taps]` and
 * keeps every `down`-th sample. No gradient flows to f.
 */
export const upfirdn1d: Op<"x" | "f", Upfirdn1dAttrs> = defineOp({
  name: "upfirdn1d",
  shape: ({ x, f }, attrs) => x.shape.with(attrs.axis, sizes(x, f, attrs).lenOut),
  kernels: [{
    name: "upfirdn1d",
    source: upfirdn1dWgsl,
    params({ x, f }, attrs, out) {
      const { taps, lenIn, lenOut, inner } = sizes(x, f, attrs);
      const { up, down, pad: [before], gain, correlate } = attrs;
      return {
        count: numel(out.shape),
        len_in: lenIn,
        len_out: lenOut,
        inner,
        taps,
        up,
        down,
        before,
        gain,
        correlate: correlate ? 1 : 0,
      };
    },
    consts: PER_ELEMENT,
    grid: perElement,
    rereads: true,
  }],
  reference({ x, f }, attrs) {
    const { taps, lenIn, lenOut, inner } = sizes(x, f, attrs);
    const { up, down, pad: [before], gain, correlate } = attrs;
    const outer = numel(x.shape) / (lenIn * inner);
    return Array.from({ length: outer * lenOut * inner }, (_, i) => {
      const o = Math.floor(i / inner) % lenOut;
      const row = Math.floor(i / (inner * lenOut)) * lenIn;
      let sum = 0;
      for (let k = 0; k < taps; k++) {
        const at = o * down + k - before;
        if (at < 0 || at % up !== 0 || at / up >= lenIn) continue;
        sum += f.data[correlate ? k : taps - 1 - k]! * x.data[(row + at / up) * inner + i % inner]!;
      }
      return gain * sum;
    });
  },
  vjp(gy, { x, f }, attrs) {
    const { taps, lenIn, lenOut } = sizes(x, f, attrs);
    const { axis, up, down, pad: [before], gain, correlate } = attrs;
    // Every tap sends its output back along the way it came, as in upfirdn2d.
    const pad = [taps - 1 - before, lenIn * up - lenOut * down + before - up + 1] as const;
    return {
      x: upfirdn1d({ x: gy, f }, { axis, up: down, down: up, pad, gain, correlate: !correlate }),
      f: null,
    };
  },
  samples: [
    {
      inputs: { x: [2, 3, 5, 7], f: [12] },
      attrs: { axis: 3, up: 2, down: 1, pad: [9, 8], gain: 2 },
    },
    {
      inputs: { x: [2, 3, 25, 3], f: [12] },
      attrs: { axis: 2, up: 1, down: 2, pad: [0, 0], gain: 1 },
    },
    {
      inputs: { x: [3, 19, 2], f: [24] },
      attrs: { axis: 1, up: 4, down: 2, pad: [-6, -9], gain: 4 },
    },
    {
      inputs: { x: [9, 5], f: [3] },
      attrs: { axis: 0, up: 3, down: 2, pad: [1, 2], gain: 0.5, correlate: true },
    },
  ],
});
