/** Upsampling, filtering and downsampling of images in one step. */
import planeFilterWgsl from "../../../kernels/common/plane_filter.wgsl" with { type: "text" };
import upfirdn2dDownCpuWgsl from "../../../kernels/upfirdn2d_down_cpu.wgsl" with { type: "text" };
import upfirdn2dRunsWgsl from "../../../kernels/upfirdn2d_runs.wgsl" with { type: "text" };
import upfirdn2dUpCpuWgsl from "../../../kernels/upfirdn2d_up_cpu.wgsl" with { type: "text" };
import upfirdn2dWgsl from "../../../kernels/upfirdn2d.wgsl" with { type: "text" };
import { ShapeError } from "../../errors.ts";
import { LANES } from "../../gpu/device.ts";
import { defineOp, type Kernel, type Op } from "../op.ts";
import { dims, numel, type Shape, type Tensor } from "../tensor.ts";
import { foldGroups, PER_ELEMENT, perElement, ROW_GROUPS } from "./launch.ts";

export interface UpfirdnAttrs {
  readonly up: number;
  readonly down: number;
  /** Left, right, top, bottom, in samples after zero insertion; negative values crop. */
  readonly pad: readonly [number, number, number, number];
  /** Correlates with the filter as it is stored instead of flipping it. */
  readonly correlate?: boolean;
}

function sizes(x: { shape: Shape }, f: { shape: Shape }, { up, down, pad }: UpfirdnAttrs) {
  const { n, c, h, w } = dims(x, "n c h w");
  const { kh, kw } = dims(f, "kh kw");
  const [left, right, top, bottom] = pad;
  const oh = Math.floor((h * up + top + bottom - kh) / down) + 1;
  const ow = Math.floor((w * up + left + right - kw) / down) + 1;
  if (oh < 1 || ow < 1) {
    throw new ShapeError(
      `Cannot filter [${x.shape}] with [${f.shape}] and pad [${pad}]: too small`,
    );
  }
  return { n, c, h, w, kh, kw, oh, ow };
}

/** Rows of outputs of a thread of the kernel for blurs. */
const RUN_ROWS = 8;

function params(
  { x, f }: Record<"x" | "f", Tensor>,
  attrs: UpfirdnAttrs,
  out: Tensor,
): Record<string, number> {
  const { n, c, oh, ow, ...rest } = sizes(x, f, attrs);
  const { up, down, pad: [left, , top], correlate } = attrs;
  const groups = Math.ceil(ow / 4);
  return {
    count: numel(out.shape),
    runs: n * c * Math.ceil(oh / RUN_ROWS) * groups,
    units: n * c * groups,
    groups,
    ...rest,
    oh,
    ow,
    up,
    down,
    left,
    top,
    correlate: correlate ? 1 : 0,
  };
}

/** Constants and grid of kernels with a thread for four columns of a plane. */
const PER_UNIT = {
  consts: { LANES, ROW_GROUPS },
  grid: ({ units }: Record<string, number>) => foldGroups(Math.ceil(units! / LANES)),
  rereads: true,
};

/** Up and down that the kernel knows beforehand, for images of half and twice the size; 0: any. */
const FACTORS = [[2, 1], [1, 2], [0, 0]] as const;

/** Whether a filter is high enough to be worth sliding down, and not too high for it. */
const isHigh = ({ kh }: Record<string, number>) => kh! > 6 && kh! <= 12;

/**
 * Inserts `up - 1` zeros after each sample of x `[n, c, h, w]`, pads, convolves with f `[kh, kw]`
 * and keeps every `down`-th sample. No gradient flows to f.
 */
export const upfirdn2d: Op<"x" | "f", UpfirdnAttrs> = defineOp({
  name: "upfirdn2d",
  shape({ x, f }, attrs) {
    const { n, c, oh, ow } = sizes(x, f, attrs);
    return [n, c, oh, ow];
  },
  blocks: () => [{ x: 0 }, { x: 1 }],
  operations: ({ f }, { up }) => 2 * numel(f.shape) / up ** 2,
  kernels: [
    {
      name: "upfirdn2d_runs",
      source: planeFilterWgsl + upfirdn2dRunsWgsl,
      when: (_, { up, down, kh, kw }) => up === 1 && down === 1 && kh! <= 4 && kw === 4,
      params,
      consts: { ...PER_ELEMENT, ROWS: RUN_ROWS },
      grid: ({ runs }) => perElement({ count: runs! }),
    },
    {
      name: "upfirdn2d_down_cpu",
      source: planeFilterWgsl + upfirdn2dDownCpuWgsl,
      when: (adapter, p) => adapter === "cpu" && p.up === 1 && p.down === 2 && isHigh(p),
      params(inputs, attrs, out) {
        const [, , top] = attrs.pad;
        const lag = Math.floor(-top / 2);
        return { ...params(inputs, attrs, out), lag, odd: -top - 2 * lag };
      },
      ...PER_UNIT,
    },
    {
      name: "upfirdn2d_up_cpu",
      source: planeFilterWgsl + upfirdn2dUpCpuWgsl,
      when: (adapter, p) => adapter === "cpu" && p.up === 2 && p.down === 1 && isHigh(p),
      params(inputs, attrs, out) {
        const [left, , top] = attrs.pad;
        const [lag_x, lag_y] = [-Math.floor(left / 2), -Math.floor(top / 2)];
        const [odd_x, odd_y] = [left + 2 * lag_x, top + 2 * lag_y];
        return { ...params(inputs, attrs, out), lag_x, odd_x, lag_y, odd_y };
      },
      ...PER_UNIT,
    },
    ...FACTORS.map(([UP, DOWN]): Kernel<"x" | "f", UpfirdnAttrs> => ({
      name: `upfirdn2d${UP ? `_${UP}_${DOWN}` : ""}`,
      source: upfirdn2dWgsl,
      when: (_, { up, down }) => UP === 0 || (up === UP && down === DOWN),
      params,
      consts: { ...PER_ELEMENT, UP, DOWN },
      grid: perElement,
    })),
  ],
  reference({ x, f }, attrs) {
    const { n, c, h, w, kh, kw, oh, ow } = sizes(x, f, attrs);
    const { up, down, pad: [left, , top], correlate } = attrs;
    const sample = (plane: number, y: number, xx: number) =>
      y % up || xx % up || y < 0 || xx < 0 || y / up >= h || xx / up >= w
        ? 0
        : x.data[(plane * h + y / up) * w + xx / up]!;
    const out: number[] = [];
    for (let plane = 0; plane < n * c; plane++) {
      for (let oy = 0; oy < oh; oy++) {
        for (let ox = 0; ox < ow; ox++) {
          let sum = 0;
          for (let k = 0; k < kh * kw; k++) {
            const [ky, kx] = [Math.floor(k / kw), k % kw];
            const tap = f.data[correlate ? k : kh * kw - 1 - k]!;
            sum += tap * sample(plane, oy * down + ky - top, ox * down + kx - left);
          }
          out.push(sum);
        }
      }
    }
    return out;
  },
  vjp(gy, { x, f, out }, { up, down, pad: [left, , top], correlate }) {
    const { h, w } = dims(x, "n c h w");
    const { oh, ow } = dims(out, "n c oh ow");
    const { kh, kw } = dims(f, "kh kw");
    // Every tap sends its output back along the way it came: up and down change places, the filter
    // turns around, and the padding makes the sizes fit.
    const before = (k: number, start: number) => k - 1 - start;
    const after = (size: number, outSize: number, start: number) =>
      size * up - outSize * down + start - up + 1;
    const pad = [
      before(kw, left),
      after(w, ow, left),
      before(kh, top),
      after(h, oh, top),
    ] as const;
    return {
      x: upfirdn2d({ x: gy, f }, { up: down, down: up, pad, correlate: !correlate }),
      f: null,
    };
  },
  samples: [
    { inputs: { x: [2, 3, 5, 7], f: [4, 4] }, attrs: { up: 1, down: 1, pad: [1, 1, 1, 1] } },
    { inputs: { x: [1, 2, 5, 3], f: [4, 4] }, attrs: { up: 2, down: 1, pad: [2, 1, 2, 1] } },
    { inputs: { x: [3, 1, 9, 8], f: [3, 5] }, attrs: { up: 1, down: 2, pad: [2, 1, 0, 3] } },
    { inputs: { x: [1, 1, 4, 6], f: [2, 3] }, attrs: { up: 3, down: 2, pad: [1, 2, -1, 1] } },
    { inputs: { x: [3, 2, 9, 6], f: [3, 4] }, attrs: { up: 1, down: 1, pad: [2, 2, -1, 1] } },
    {
      inputs: { x: [2, 3, 23, 29], f: [12, 11] },
      attrs: { up: 1, down: 2, pad: [3, -2, -5, 1] },
    },
    {
      inputs: { x: [3, 3, 17, 20], f: [9, 12] },
      attrs: { up: 1, down: 2, pad: [0, 0, 0, 0], correlate: true },
    },
    {
      inputs: { x: [2, 1, 5, 4], f: [3, 3] },
      attrs: { up: 1, down: 1, pad: [1, 1, 1, 1], correlate: true },
    },
  ],
});
