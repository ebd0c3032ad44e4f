/** Two-dimensional convolution, its transpose and its weight gradient, each the others' gradient. */
import { ShapeError } from "../../errors.ts";
import { defineComposite, defineOp, type HostTensor, type Op } from "../op.ts";
import { constant, dims, numel, type Shape, type Tensor } from "../tensor.ts";
import { convKernels, convWeightGradKernels } from "./conv_kernels.ts";
import { mul } from "./elementwise.ts";
import { sum } from "./reduce.ts";
import { reshape } from "./shape.ts";

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
  blocks: () => [{ x: 0 }, { w: 0 }],
  addends: () => ({ x: 1, w: 1 }),
  operations: ({ w }) => 2 * numel(w.shape.slice(1)),
  kernels: convKernels("conv2d", false, ({ x, w }, { stride, pad }) => ({
    ...geometry(x, w, { stride, pad }),
    stride,
    pad,
  })),
  reference({ x, w }, attrs) {
    const g = geometry(x, w, attrs);
    const count = g.batch * g.O * g.oh * g.ow;
    return accumulate(g, attrs, count, (atX, atW, atY) => [atY, product(x, atX, w, atW)]);
  },
  vjp(gy, { x, w }, attrs) {
    const g = geometry(x, w, attrs);
    const outputPadding = outputPaddingOf(g, attrs);
    // The weight's first: then x, which it reads, need not live as long as its own cotangent.
    const ofWeight = convWeightGrad({ x, gy }, { ...attrs, kernel: [g.kh, g.kw] });
    return { x: convTranspose2d({ x: gy, w }, { ...attrs, outputPadding }), w: ofWeight };
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

/** What the transpose has to add to reach the size of the convolution's input. */
function outputPaddingOf(
  { h, w, oh, ow, kh, kw }: Geometry,
  { stride, pad }: ConvAttrs,
): readonly [number, number] {
  const rest = (size: number, outSize: number, taps: number) =>
    size - ((outSize - 1) * stride - 2 * pad + taps);
  return [rest(h, oh, kh), rest(w, ow, kw)];
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
  blocks: () => [{ x: 0 }, { w: 1 }],
  addends: () => ({ x: 1, w: 0 }),
  // With a stride, each output meets that part of the taps which is not multiplied by zeros.
  operations: ({ w }, { stride }) => 2 * w.shape[0]! * w.shape[2]! * w.shape[3]! / stride ** 2,
  kernels: convKernels("conv_transpose2d", true, ({ x, w }, attrs) => {
    const { batch, O, I, h, w: width, oh, ow, kh, kw } = transposedGeometry(x, w, attrs);
    const { stride, pad } = attrs;
    return { batch, I: O, h: oh, w: ow, O: I, oh: h, ow: width, kh, kw, stride, pad };
  }),
  reference({ x, w }, attrs) {
    const g = transposedGeometry(x, w, attrs);
    const count = g.batch * g.I * g.h * g.w;
    return accumulate(g, attrs, count, (atX, atW, atY) => [atX, product(x, atY, w, atW)]);
  },
  vjp(gy, { x, w }, { stride, pad }) {
    const { kh, kw } = dims(w, "o i kh kw");
    const ofWeight = convWeightGrad({ x: gy, gy: x }, { stride, pad, kernel: [kh, kw] });
    return { x: conv2d({ x: gy, w }, { stride, pad }), w: ofWeight };
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

interface PartAttrs extends ConvWeightGradAttrs {
  /** How many of the `batch * oh` lines of gy each part sums. */
  readonly lines: number;
}

const partsOf = ({ batch, oh }: Geometry, lines: number) => Math.ceil(batch * oh / lines);

/**
 * The weight gradient as a sum cut into parts: x `[n, i, h, w]`, gy `[n, o, oh, ow]` →
 * `[parts, o, i, kh, kw]`. Part s takes lines `s * lines` and on of gy.
 */
const weightGradParts: Op<"x" | "gy", PartAttrs> = defineOp({
  name: "conv_weight_grad_parts",
  shape({ x, gy }, attrs) {
    const g = weightGeometry(x, gy, attrs);
    return [partsOf(g, attrs.lines), g.O, g.I, g.kh, g.kw];
  },
  // Samples can be told apart where no part has lines of two of them.
  blocks: ({ gy }, { lines }) => [
    gy.shape[2]! % lines === 0 ? { x: 0, gy: 0 } : null,
    { gy: 1 },
    { x: 1 },
  ],
  precise: true,
  operations({ x, gy }, attrs) {
    return 2 * attrs.lines * weightGeometry(x, gy, attrs).ow;
  },
  kernels: convWeightGradKernels(({ x, gy }, attrs) => {
    const { stride, pad, lines } = attrs;
    const g = weightGeometry(x, gy, attrs);
    return { ...g, stride, pad, parts: partsOf(g, lines), part_lines: lines };
  }),
  reference({ x, gy }, attrs) {
    const g = weightGeometry(x, gy, attrs);
    const count = g.O * g.I * g.kh * g.kw;
    const { lines } = attrs;
    return accumulate(g, attrs, partsOf(g, lines) * count, (atX, atW, atY) => {
      const line = Math.floor(atY / (g.O * g.oh * g.ow)) * g.oh + Math.floor(atY / g.ow) % g.oh;
      return [Math.floor(line / lines) * count + atW, product(x, atX, gy, atY)];
    });
  },
  vjp(v, { x, gy }, { stride, pad, kernel, lines }) {
    const g = weightGeometry(x, gy, { stride, pad, kernel });
    const parts = partsOf(g, lines);
    const { batch, O, I, oh, ow, kh, kw } = g;
    // The parts are the weight gradient for `parts * O` outputs: those of gy, each with the lines of
    // one part and zeros elsewhere.
    const w = reshape(v, [parts * O, I, kh, kw]);
    const inPart = partLines(g, lines);
    const spread = mul(reshape(gy, [batch, 1, O, oh, ow]), inPart);
    const gSpread = reshape(conv2d({ x, w }, { stride, pad }), [batch, parts, O, oh, ow]);
    const outputPadding = outputPaddingOf(g, { stride, pad });
    return {
      x: convTranspose2d(
        { x: reshape(spread, [batch, parts * O, oh, ow]), w },
        { stride, pad, outputPadding },
      ),
      gy: sum(mul(gSpread, inPart), [1]),
    };
  },
  samples: [
    {
      inputs: { x: [2, 3, 5, 7], gy: [2, 4, 5, 7] },
      attrs: { stride: 1, pad: 1, kernel: [3, 3], lines: 10 },
    },
    {
      inputs: { x: [3, 2, 9, 8], gy: [3, 5, 4, 3] },
      attrs: { stride: 2, pad: 0, kernel: [3, 3], lines: 4 },
    },
    {
      inputs: { x: [1, 17, 12, 11], gy: [1, 19, 12, 11] },
      attrs: { stride: 1, pad: 1, kernel: [3, 3], lines: 3 },
    },
    {
      inputs: { x: [2, 3, 6, 9], gy: [2, 7, 6, 9] },
      attrs: { stride: 1, pad: 0, kernel: [1, 1], lines: 12 },
    },
    {
      inputs: { x: [1, 2, 7, 8], gy: [1, 3, 3, 3] },
      attrs: { stride: 3, pad: 2, kernel: [5, 4], lines: 2 },
    },
  ],
});

/** 1 where a line of gy belongs to a part: `[n, parts, 1, oh, 1]`. */
function partLines(g: Geometry, lines: number): Tensor {
  const parts = partsOf(g, lines);
  const data = new Float32Array(g.batch * parts * g.oh);
  for (let line = 0; line < g.batch * g.oh; line++) {
    const part = Math.floor(line / lines);
    data[(Math.floor(line / g.oh) * parts + part) * g.oh + line % g.oh] = 1;
  }
  return constant(data, [g.batch, parts, 1, g.oh, 1]);
}

/**
 * Into so many workgroups a weight gradient is cut, each of 64 x 64 elements: several for each unit of
 * a large GPU, so that the last round of them leaves little of it idle, or for each core.
 */
const WORKGROUPS = { gpu: 1024, cpu: 64 };
/** With fewer pixels to sum, writing one more part and adding it costs more than it saves. */
const PIXELS_PER_PART = 1024;

/** Cotangent of `conv2d`'s weight: x `[n, i, h, w]`, gy `[n, o, oh, ow]` → `[o, i, kh, kw]`. */
export const convWeightGrad: Op<"x" | "gy", ConvWeightGradAttrs> = defineComposite({
  name: "conv_weight_grad",
  shape({ x, gy }, attrs) {
    const { O, I, kh, kw } = weightGeometry(x, gy, attrs);
    return [O, I, kh, kw];
  },
  compose({ x, gy }, attrs, adapter) {
    const g = weightGeometry(x, gy, attrs);
    const blocks = Math.ceil(g.O / 64) * Math.ceil(g.I * g.kh * g.kw / 64);
    const pixels = g.batch * g.oh * g.ow;
    const parts = Math.min(WORKGROUPS[adapter] / blocks, pixels / PIXELS_PER_PART);
    const all = g.batch * g.oh;
    const lines = parts <= 1 ? all : wholeLines(Math.ceil(all / parts), g.oh);
    return sum(weightGradParts({ x, gy }, { ...attrs, lines }), [0]);
  },
  reference({ x, gy }, attrs) {
    const g = weightGeometry(x, gy, attrs);
    const count = g.O * g.I * g.kh * g.kw;
    return accumulate(g, attrs, count, (atX, atW, atY) => [atW, product(x, atX, gy, atY)]);
  },
  vjp(v, { x, gy }, { stride, pad, kernel }) {
    const outputPadding = outputPaddingOf(
      weightGeometry(x, gy, { stride, pad, kernel }),
      { stride, pad },
    );
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
  ],
});

/** Lines of a part near to those `wanted`, of one sample if that makes no more than twice the parts. */
function wholeLines(wanted: number, oh: number): number {
  for (let lines = Math.min(wanted, oh); 2 * lines >= wanted; lines--) {
    if (oh % lines === 0) return lines;
  }
  return wanted;
}
