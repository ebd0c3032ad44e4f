/** A leaky ReLU on a finer grid along one axis, which is never stored. */
import axisWgsl from "../../../kernels/common/axis_lrelu.wgsl" with { type: "text" };
import columnWgsl from "../../../kernels/common/column.wgsl" with { type: "text" };
import filteredLreluGradWgsl from "../../../kernels/filtered_lrelu_grad.wgsl" with { type: "text" };
import filteredLreluWgsl from "../../../kernels/filtered_lrelu.wgsl" with { type: "text" };
import { ShapeError } from "../../errors.ts";
import { again, type Recomputing } from "../again.ts";
import { defineOp, type Op } from "../op.ts";
import { numel, type Shape } from "../tensor.ts";
import {
  clampedLrelu,
  clampedLreluAt,
  type ClampedLreluAttrs,
  clampedLreluGrad,
  slopeBehind,
} from "./clamped_lrelu.ts";
import { PER_ELEMENT, perElement } from "./launch.ts";
import {
  slides,
  transposedUpfirdn1d,
  upfirdn1d,
  type Upfirdn1dAttrs,
  upfirdn1dReference,
} from "./upfirdn1d.ts";

export interface FilteredLreluAxisAttrs extends ClampedLreluAttrs, Recomputing {
  readonly axis: number;
  readonly up: number;
  readonly down: number;
  /** Before and after, in samples after zero insertion; negative values crop. */
  readonly pad: readonly [number, number];
}

/** The two filters as `upfirdn1d` takes them. */
function stages({ axis, up, down, pad }: FilteredLreluAxisAttrs) {
  const rise: Upfirdn1dAttrs = { axis, up, down: 1, pad, gain: up };
  const fall: Upfirdn1dAttrs = { axis, up: 1, down, pad: [0, 0], gain: 1 };
  return { rise, fall };
}

/** Whether `filteredLreluAxis` has kernels for these factors, and filters of so many taps. */
export function isFused(
  { up, down }: Pick<FilteredLreluAxisAttrs, "up" | "down">,
  upTaps: number,
  downTaps: number,
): boolean {
  return (up === down || (up === 4 && down === 2)) && slides(up, upTaps) && slides(down, downTaps);
}

type Named<I extends string> = Record<I, { readonly shape: Shape }>;

function outShape({ x, fu, fd }: Named<"x" | "fu" | "fd">, attrs: FilteredLreluAxisAttrs): Shape {
  const { axis, up, down, pad: [before, after] } = attrs;
  const [upTaps, downTaps] = [numel(fu.shape), numel(fd.shape)];
  const fine = x.shape[axis]! * up + before + after - upTaps + 1;
  const length = Math.floor((fine - downTaps) / down) + 1;
  if (length < 1 || !isFused(attrs, upTaps, downTaps)) {
    throw new ShapeError(
      `Cannot activate axis ${axis} of [${x.shape}] on a grid ${up} times as fine and ${down} times ` +
        `as fine as the result, by filters of ${upTaps} and ${downTaps} taps`,
    );
  }
  return x.shape.with(axis, length);
}

function params(
  inputs: Named<"x" | "fu" | "fd">,
  attrs: FilteredLreluAxisAttrs,
): Record<string, number> {
  const { axis, up, down, pad: [before], slope, gain, limit } = attrs;
  const { shape } = inputs.x;
  const lag = -Math.floor(before / up);
  return {
    columns: numel(shape) / shape[axis]!,
    len_in: shape[axis]!,
    len_out: outShape(inputs, attrs)[axis]!,
    inner: numel(shape.slice(axis + 1)),
    up,
    down,
    up_taps: numel(inputs.fu.shape),
    down_taps: numel(inputs.fd.shape),
    lag,
    odd: before + lag * up,
    slope,
    gain,
    // Infinity is nothing that WGSL reckons with.
    limit: Math.min(limit, 3e38),
  };
}

const perColumn = ({ columns }: Record<string, number>) => perElement({ count: columns! });

function samples<I extends string>(more: (out: Shape) => Record<I, Shape>) {
  const activation = { slope: 0.2, gain: Math.SQRT2, limit: 1.2 };
  const cases: { x: number[]; fu: number; fd: number; attrs: FilteredLreluAxisAttrs }[] = [
    {
      x: [2, 3, 9, 5],
      fu: 12,
      fd: 12,
      attrs: { axis: 2, up: 2, down: 2, pad: [9, 8], ...activation },
    },
    {
      x: [2, 19, 3],
      fu: 24,
      fd: 12,
      attrs: { axis: 1, up: 4, down: 2, pad: [-6, -9], ...activation },
    },
    {
      x: [1, 2, 5, 13],
      fu: 11,
      fd: 10,
      attrs: { axis: 3, up: 2, down: 2, pad: [30, -3], ...activation, limit: 1e9 },
    },
    {
      x: [3, 8],
      fu: 16,
      fd: 17,
      attrs: { axis: 1, up: 3, down: 3, pad: [7, 12], ...activation },
    },
  ];
  return cases.map(({ x, fu, fd, attrs }) => {
    const inputs = { x: { shape: x }, fu: { shape: [fu] }, fd: { shape: [fd] } };
    return {
      inputs: { x, fu: [fu], fd: [fd], ...more(outShape(inputs, attrs)) },
      attrs,
    };
  });
}

/**
 * x upsampled along `axis` by fu `[taps]`, activated by `clampedLrelu`, and downsampled by fd
 * `[taps]`. No gradient flows to the filters. `isFused` says for which factors and filters.
 */
export const filteredLreluAxis: Op<"x" | "fu" | "fd", FilteredLreluAxisAttrs> = defineOp({
  name: "filtered_lrelu",
  shape: outShape,
  blocks: ({ x }, { axis }) => x.shape.map((_, other) => other === axis ? null : { x: other }),
  kernels: [{
    name: "filtered_lrelu",
    source: columnWgsl + axisWgsl + filteredLreluWgsl,
    params,
    consts: PER_ELEMENT,
    grid: perColumn,
  }],
  reference({ x, fu, fd }, attrs) {
    const { rise, fall } = stages(attrs);
    const fine = upfirdn1dReference({ x, f: fu }, rise);
    const y = { shape: fine.shape, data: fine.data.map((u) => clampedLreluAt(u, attrs)) };
    return upfirdn1dReference({ x: y, f: fd }, fall).data;
  },
  // x makes the fine samples again: they would take `up` times as much memory.
  vjp: (gy, { x, fu, fd }, { recompute = 0, ...attrs }) => ({
    x: filteredLreluAxisGrad({ gy, x: again(x, recompute), fu, fd }, attrs),
    fu: null,
    fd: null,
  }),
  samples: samples(() => ({})),
});

/** Cotangent of `filteredLreluAxis`'s x from that of its output. */
const filteredLreluAxisGrad: Op<"gy" | "x" | "fu" | "fd", FilteredLreluAxisAttrs> = defineOp({
  name: "filtered_lrelu_grad",
  shape({ gy, x, fu, fd }, attrs) {
    const wanted = outShape({ x, fu, fd }, attrs);
    if (gy.shape.join() === wanted.join()) return x.shape;
    throw new ShapeError(
      `Cannot take the gradient of a filtered lrelu of [${x.shape}] from [${gy.shape}]: [${wanted}] ` +
        `is needed`,
    );
  },
  blocks: ({ x }, { axis }) =>
    x.shape.map((_, other) => other === axis ? null : { x: other, gy: other }),
  kernels: [{
    name: "filtered_lrelu_grad",
    source: columnWgsl + axisWgsl + filteredLreluGradWgsl,
    params,
    consts: PER_ELEMENT,
    grid: perColumn,
  }],
  reference({ gy, x, fu, fd }, attrs) {
    const { rise, fall } = stages(attrs);
    const fine = upfirdn1dReference({ x, f: fu }, rise);
    const back = upfirdn1dReference({ x: gy, f: fd }, transposedUpfirdn1d(fine, fd, fall));
    const v = {
      shape: fine.shape,
      data: back.data.map((g, i) => g * slopeBehind(clampedLreluAt(fine.data[i]!, attrs), attrs)),
    };
    return upfirdn1dReference({ x: v, f: fu }, transposedUpfirdn1d(x, fu, rise)).data;
  },
  vjp(g, { x, fu, fd }, attrs) {
    const { slope, gain, limit } = attrs;
    const { rise, fall } = stages(attrs);
    const y = clampedLrelu({ x: upfirdn1d({ x, f: fu }, rise) }, { slope, gain, limit });
    const fine = upfirdn1d({ x: g, f: fu }, rise);
    const v = clampedLreluGrad({ gy: fine, y }, { slope, gain, limit });
    return { gy: upfirdn1d({ x: v, f: fd }, fall), x: null, fu: null, fd: null };
  },
  samples: samples((out) => ({ gy: out })),
});
