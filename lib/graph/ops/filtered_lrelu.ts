/**
 * The filtered leaky ReLU of "Alias-Free Generative Adversarial Networks" (Karras et al., 2021): the
 * nonlinearity makes frequencies that its grid cannot hold, so it works on a finer one, between an
 * interpolating and a low-pass filter.
 */
import { dims, type Tensor } from "../tensor.ts";
import { clampedLrelu, type ClampedLreluAttrs } from "./clamped_lrelu.ts";
import { mul } from "./elementwise.ts";
import { filteredLreluAxis, isFused } from "./filtered_lrelu_axis.ts";
import { upfirdn1d } from "./upfirdn1d.ts";
import { upfirdn2d } from "./upfirdn2d.ts";

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
export function filteredLrelu(x: Tensor, { up: fu, down: fd }: Filters, attrs: FilteredLreluAttrs) {
  const { up, down, pad, slope, gain, limit } = attrs;
  // What zero insertion takes away is given back along each axis.
  const rise = { up, down: 1, pad, gain: up };
  const fall = { up: 1, down, pad: [0, 0], gain: 1 } as const;
  if (fu.rank === 1 && fd.rank === 1 && isFused(attrs, fu.shape[0]!, fd.shape[0]!)) {
    // Filters of rows and of columns change places: the grid is never fine in both at once. For the
    // gradient, filtering once more costs little beside keeping the finer grid.
    const wide = upfirdn1d({ x, f: fu }, { axis: 3, ...rise });
    const y = filteredLreluAxis({ x: wide, fu, fd }, { axis: 2, ...attrs, recompute: 1 });
    return upfirdn1d({ x: y, f: fd }, { axis: 3, ...fall });
  }
  // Both filters of a plane, and the activation itself.
  const recompute = fu.rank === 1 ? 3 : 0;
  const y = clampedLrelu({ x: filterPlane(x, fu, rise) }, { slope, gain, limit, recompute });
  return filterPlane(y, fd, fall);
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
