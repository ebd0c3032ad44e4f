/** Two-dimensional convolution, its transpose and its weight gradient, each the others' gradient. */
import conv2dWgsl from "../../../kernels/conv2d.wgsl" with { type: "text" };
import convTranspose2dWgsl from "../../../kernels/conv_transpose2d.wgsl" with { type: "text" };
import convWeightGradWgsl from "../../../kernels/conv_weight_grad.wgsl" with { type: "text" };
import { ShapeError } from "../../errors.ts";
import { defineOp, type HostTensor, type Op } from "../op.ts";
import { dims, numel, type Shape } from "../tensor.ts";
import { PER_ELEMENT, perElement } from "./launch.ts";

export interface ConvAttrs {
  readonly stride: number;
  /** Zeros around the input, the same on every side. */
  readonly pad: number;
}

interface Sized {
  readonly shape: Shape;
}

/** The sizes of `y = conv2d(x, w)`, from any two of the three. */
interface Geometry {
  readonly batch: number;
  readonly I: number;
  readonly O: number;
  readonly h: number;
  readonly w: number;
  readonly oh: number;
  readonly ow: number;
  readonly kh: number;
  readonly kw: number;
}

function geometry(x: Sized, weight: Sized, { stride, pad }: ConvAttrs): Geometry {
  const { n: batch, i: I, h, w } = dims(x, "n i h w");
  const { o: O, i, kh, kw } = dims(weight, "o i kh kw");
  const oh = Math.floor((h + 2 * pad - kh) / stride) + 1;
  const ow = Math.floor((w + 2 * pad - kw) / stride) + 1;
  if (i !== I || oh < 1 || ow < 1) {
    throw new ShapeError(`Cannot convolve [${x.shape}] with [${weight.shape}], padding ${pad}`);
  }
  return { batch, I, O, h, w, oh, ow, kh, kw };
}

/** Calls `visit` for each product in the convolution, with flat indices into x, w and y. */
function eachProduct(
  { batch, I, O, h, w, oh, ow, kh, kw }: Geometry,
  { stride, pad }: ConvAttrs,
  visit: (x: number, w: number, y: number) => void,
): void {
  for (let n = 0; n < batch; n++) {
    for (let o = 0; o < O; o++) {
      for (let i = 0; i < I; i++) {
        for (let oy = 0; oy < oh; oy++) {
          for (let ox = 0; ox < ow; ox++) {
            for (let ky = 0; ky < kh; ky++) {
              for (let kx = 0; kx < kw; kx++) {
                const [y, x] = [oy * stride - pad + ky, ox * stride - pad + kx];
                if (y < 0 || x < 0 || y >= h || x >= w) continue;
                visit(
                  ((n * I + i) * h + y) * w + x,
                  ((o * I + i) * kh + ky) * kw + kx,
                  ((n * O + o) * oh + oy) * ow + ox,
                );
              }
            }
          }
        }
      }
    }
  }
}

/** Sums products over whichever of x, w and y is asked for. */
function accumulate(
  g: Geometry,
  attrs: ConvAttrs,
  count: number,
  term: (x: number, w: number, y: number) => readonly [at: number, value: number],
): Float64Array {
  const out = new Float64Array(count);
  eachProduct(g, attrs, (x, w, y) => {
    const [at, value] = term(x, w, y);
    out[at]! += value;
  });
  return out;
}

const product = (a: HostTensor, i: number, b: HostTensor, j: number) => a.data[i]! * b.data[j]!;

/** Cross-correlation: x `[n, i, h, w]`, w `[o, i, kh, kw]` → `[n, o, oh, ow]`. */
export const conv2d: Op<"x" | "w", ConvAttrs> = defineOp({
  name: "conv2d",
  shape({ x, w }, attrs) {
    const { batch, O, oh, ow } = geometry(x, w, attrs);
    return [batch, O, oh, ow];
  },
  kernels: [{
    name: "conv2d",
    source: conv2dWgsl,
    params: ({ x, w }, attrs, out) => ({
      count: numel(out.shape),
      ...geometry(x, w, attrs),
      ...attrs,
    }),
    consts: PER_ELEMENT,
    grid: perElement,
    rereads: true,
  }],
  reference({ x, w }, attrs) {
    const g = geometry(x, w, attrs);
    const count = g.batch * g.O * g.oh * g.ow;
    return accumulate(g, attrs, count, (atX, atW, atY) => [atY, product(x, atX, w, atW)]);
  },
  vjp(gy, { x, w }, attrs) {
    const { h, w: width, oh, ow, kh, kw } = geometry(x, w, attrs);
    const rest = (size: number, outSize: number, kernel: number) =>
      size - ((outSize - 1) * attrs.stride - 2 * attrs.pad + kernel);
    const outputPadding = [rest(h, oh, kh), rest(width, ow, kw)] as const;
    return {
      x: convTranspose2d({ x: gy, w }, { ...attrs, outputPadding }),
      w: convWeightGrad({ x, gy }, { ...attrs, kernel: [kh, kw] }),
    };
  },
  samples: [
    { inputs: { x: [1, 3, 5, 7], w: [4, 3, 3, 3] }, attrs: { stride: 1, pad: 1 } },
    { inputs: { x: [3, 2, 9, 8], w: [5, 2, 3, 3] }, attrs: { stride: 2, pad: 0 } },
    { inputs: { x: [2, 5, 4, 6], w: [3, 5, 1, 1] }, attrs: { stride: 1, pad: 0 } },
    { inputs: { x: [1, 2, 7, 7], w: [9, 2, 5, 3] }, attrs: { stride: 3, pad: 2 } },
    { inputs: { x: [3, 17, 9, 11], w: [19, 17, 3, 3] }, attrs: { stride: 1, pad: 1 } },
  ],
});

export interface ConvTransposeAttrs extends ConvAttrs {
  /** Rows and columns added at the far end, which a strided convolution would not reach. */
  readonly outputPadding: readonly [number, number];
}

/** The geometry of the convolution whose input gradient this is. */
function transposedGeometry(x: Sized, weight: Sized, attrs: ConvTransposeAttrs): Geometry {
  const { n: batch, o: O, h: oh, w: ow } = dims(x, "n o h w");
  const { o, i: I, kh, kw } = dims(weight, "o i kh kw");
  const { stride, pad, outputPadding } = attrs;
  const h = (oh - 1) * stride - 2 * pad + kh + outputPadding[0];
  const w = (ow - 1) * stride - 2 * pad + kw + outputPadding[1];
  if (o !== O || h < 1 || w < 1) {
    throw new ShapeError(`Cannot spread [${x.shape}] by [${weight.shape}], padding ${pad}`);
  }
  return { batch, I, O, h, w, oh, ow, kh, kw };
}

/** The transpose of `conv2d`: x `[n, o, h, w]`, w `[o, i, kh, kw]` → `[n, i, H, W]`. */
export const convTranspose2d: Op<"x" | "w", ConvTransposeAttrs> = defineOp({
  name: "conv_transpose2d",
  shape({ x, w }, attrs) {
    const g = transposedGeometry(x, w, attrs);
    return [g.batch, g.I, g.h, g.w];
  },
  kernels: [{
    name: "conv_transpose2d",
    source: convTranspose2dWgsl,
    params({ x, w }, attrs, out) {
      const { batch, O, I, h, w: width, oh, ow, kh, kw } = transposedGeometry(x, w, attrs);
      const { stride, pad } = attrs;
      const sizes = { batch, O, h: oh, w: ow, I, oh: h, ow: width, kh, kw };
      return { count: numel(out.shape), ...sizes, stride, pad };
    },
    consts: PER_ELEMENT,
    grid: perElement,
    rereads: true,
  }],
  reference({ x, w }, attrs) {
    const g = transposedGeometry(x, w, attrs);
    const count = g.batch * g.I * g.h * g.w;
    return accumulate(g, attrs, count, (atX, atW, atY) => [atX, product(x, atY, w, atW)]);
  },
  vjp(gy, { x, w }, { stride, pad }) {
    const { kh, kw } = dims(w, "o i kh kw");
    return {
      x: conv2d({ x: gy, w }, { stride, pad }),
      w: convWeightGrad({ x: gy, gy: x }, { stride, pad, kernel: [kh, kw] }),
    };
  },
  samples: [
    {
      inputs: { x: [1, 3, 5, 7], w: [3, 4, 3, 3] },
      attrs: { stride: 2, pad: 0, outputPadding: [0, 0] },
    },
    {
      inputs: { x: [3, 2, 4, 5], w: [2, 5, 3, 3] },
      attrs: { stride: 1, pad: 1, outputPadding: [0, 0] },
    },
    {
      inputs: { x: [2, 3, 3, 4], w: [3, 2, 3, 5] },
      attrs: { stride: 3, pad: 1, outputPadding: [2, 0] },
    },
    {
      inputs: { x: [1, 19, 9, 8], w: [19, 17, 3, 3] },
      attrs: { stride: 2, pad: 0, outputPadding: [0, 0] },
    },
  ],
});

export interface ConvWeightGradAttrs extends ConvAttrs {
  readonly kernel: readonly [number, number];
}

function weightGeometry(x: Sized, gy: Sized, attrs: ConvWeightGradAttrs): Geometry {
  const { i } = dims(x, "n i h w");
  const { n, o, oh, ow } = dims(gy, "n o oh ow");
  const g = geometry(x, { shape: [o, i, ...attrs.kernel] }, attrs);
  if (g.batch !== n || g.oh !== oh || g.ow !== ow) {
    throw new ShapeError(
      `Cannot take the weight gradient of [${x.shape}] and [${gy.shape}] for a ` +
        `[${attrs.kernel}] kernel: the output would be [${g.batch},${o},${g.oh},${g.ow}]`,
    );
  }
  return g;
}

/** Cotangent of `conv2d`'s weight: x `[n, i, h, w]`, gy `[n, o, oh, ow]` → `[o, i, kh, kw]`. */
export const convWeightGrad: Op<"x" | "gy", ConvWeightGradAttrs> = defineOp({
  name: "conv_weight_grad",
  shape({ x, gy }, attrs) {
    const { O, I, kh, kw } = weightGeometry(x, gy, attrs);
    return [O, I, kh, kw];
  },
  kernels: [{
    name: "conv_weight_grad",
    source: convWeightGradWgsl,
    params({ x, gy }, attrs, out) {
      const { stride, pad } = attrs;
      return { count: numel(out.shape), ...weightGeometry(x, gy, attrs), stride, pad };
    },
    consts: PER_ELEMENT,
    grid: perElement,
    rereads: true,
  }],
  reference({ x, gy }, attrs) {
    const g = weightGeometry(x, gy, attrs);
    const count = g.O * g.I * g.kh * g.kw;
    return accumulate(g, attrs, count, (atX, atW, atY) => [atW, product(x, atX, gy, atY)]);
  },
  vjp(v, { x, gy }, { stride, pad }) {
    const { h, w, oh, ow, kh, kw } = geometry(x, v, { stride, pad });
    const rest = (size: number, outSize: number, kernel: number) =>
      size - ((outSize - 1) * stride - 2 * pad + kernel);
    const outputPadding = [rest(h, oh, kh), rest(w, ow, kw)] as const;
    return {
      x: convTranspose2d({ x: gy, w: v }, { stride, pad, outputPadding }),
      gy: conv2d({ x, w: v }, { stride, pad }),
    };
  },
  samples: [
    {
      inputs: { x: [2, 3, 5, 7], gy: [2, 4, 5, 7] },
      attrs: { stride: 1, pad: 1, kernel: [3, 3] },
    },
    {
      inputs: { x: [3, 2, 9, 8], gy: [3, 5, 4, 3] },
      attrs: { stride: 2, pad: 0, kernel: [3, 3] },
    },
    {
      inputs: { x: [1, 17, 12, 11], gy: [1, 19, 12, 11] },
      attrs: { stride: 1, pad: 1, kernel: [3, 3] },
    },
  ],
});
