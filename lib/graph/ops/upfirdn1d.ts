/** Upsampling, filtering and downsampling along one axis in one step. */
import columnWgsl from "../../../kernels/common/column.wgsl" with { type: "text" };
import upfirdn1dDownWgsl from "../../../kernels/upfirdn1d_down.wgsl" with { type: "text" };
import upfirdn1dUpWgsl from "../../../kernels/upfirdn1d_up.wgsl" with { type: "text" };
import upfirdn1dWgsl from "../../../kernels/upfirdn1d.wgsl" with { type: "text" };
import { ShapeError } from "../../errors.ts";
import { defineOp, type HostTensor, type Op } from "../op.ts";
import { dims, numel, type Shape, type Tensor } from "../tensor.ts";
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

function params(
  { x, f }: Record<"x" | "f", Tensor>,
  attrs: Upfirdn1dAttrs,
  out: Tensor,
): Record<string, number> {
  const { taps, lenIn, lenOut, inner } = sizes(x, f, attrs);
  const { up, down, pad: [before], gain, correlate } = attrs;
  const columns = numel(x.shape) / lenIn;
  return {
    count: numel(out.shape),
    columns,
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
}

/** The largest factor, and the most taps for each sample or output, of kernels that slide. */
export const SLIDING = { factor: 4, taps: 6 };

/** Whether a filter that goes up or down by `factor` is one for kernels that slide. */
export const slides = (factor: number, taps: number): boolean =>
  factor <= SLIDING.factor && taps <= SLIDING.taps * factor;

/** What `upfirdn1d` means, in float64. */
export function upfirdn1dReference(
  { x, f }: Record<"x" | "f", HostTensor>,
  attrs: Upfirdn1dAttrs,
): { shape: Shape; data: number[] } {
  const { taps, lenIn, lenOut, inner } = sizes(x, f, attrs);
  const { axis, up, down, pad: [before], gain, correlate } = attrs;
  const shape = x.shape.with(axis, lenOut);
  const data = Array.from({ length: numel(shape) }, (_, i) => {
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
  return { shape, data };
}

/**
 * What takes the cotangent of `upfirdn1d({ x, f }, attrs)` to that of x: every tap sends its output
 * back along the way it came, as in upfirdn2d.
 */
export function transposedUpfirdn1d(x: Sized, f: Sized, attrs: Upfirdn1dAttrs): Upfirdn1dAttrs {
  const { taps, lenIn, lenOut } = sizes(x, f, attrs);
  const { axis, up, down, pad: [before], gain, correlate } = attrs;
  const pad = [taps - 1 - before, lenIn * up - lenOut * down + before - up + 1] as const;
  return { axis, up: down, down: up, pad, gain, correlate: !correlate };
}

const perColumn = ({ columns }: Record<string, number>) => perElement({ count: columns! });

/**
 * Inserts `up - 1` zeros after each sample of x along `axis`, pads, convolves with f `[taps]` and
 * keeps every `down`-th sample. No gradient flows to f.
 */
export const upfirdn1d: Op<"x" | "f", Upfirdn1dAttrs> = defineOp({
  name: "upfirdn1d",
  shape: ({ x, f }, attrs) => x.shape.with(attrs.axis, sizes(x, f, attrs).lenOut),
  blocks: ({ x }, { axis }) => x.shape.map((_, other) => other === axis ? null : { x: other }),
  kernels: [
    // Software adapters spend their time in loads; a GPU has them cached, and wants more threads.
    {
      name: "upfirdn1d_up_cpu",
      source: columnWgsl + upfirdn1dUpWgsl,
      when: (adapter, { up, down, taps }) => adapter === "cpu" && down === 1 && slides(up!, taps!),
      params(inputs, attrs, out) {
        const { up, pad: [before] } = attrs;
        const lag = -Math.floor(before / up);
        return { ...params(inputs, attrs, out), lag, odd: before + lag * up };
      },
      consts: PER_ELEMENT,
      grid: perColumn,
    },
    {
      name: "upfirdn1d_down_cpu",
      source: columnWgsl + upfirdn1dDownWgsl,
      when: (adapter, { up, down, taps }) => adapter === "cpu" && up === 1 && slides(down!, taps!),
      params(inputs, attrs, out) {
        const { down, pad: [before] } = attrs;
        const lag = Math.floor(-before / down);
        return { ...params(inputs, attrs, out), lag, odd: -before - lag * down };
      },
      consts: PER_ELEMENT,
      grid: perColumn,
    },
    {
      name: "upfirdn1d",
      source: upfirdn1dWgsl,
      params,
      consts: PER_ELEMENT,
      grid: perElement,
      rereads: true,
    },
  ],
  reference: (inputs, attrs) => upfirdn1dReference(inputs, attrs).data,
  vjp: (gy, { x, f }, attrs) => ({
    x: upfirdn1d({ x: gy, f }, transposedUpfirdn1d(x, f, attrs)),
    f: null,
  }),
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
      inputs: { x: [2, 3, 23, 2], f: [24] },
      attrs: { axis: 2, up: 1, down: 4, pad: [17, 9], gain: 1, correlate: true },
    },
    {
      inputs: { x: [3, 1, 10], f: [10] },
      attrs: { axis: 2, up: 3, down: 1, pad: [-4, 3], gain: 3 },
    },
    {
      inputs: { x: [9, 5], f: [3] },
      attrs: { axis: 0, up: 3, down: 2, pad: [1, 2], gain: 0.5, correlate: true },
    },
  ],
});
