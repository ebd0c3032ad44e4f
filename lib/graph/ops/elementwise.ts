/** Elementwise ops. Shapes broadcast as in NumPy; compilation fuses them into their neighbours. */
import { defineElementwise, type Op } from "../op.ts";
import type { Tensor } from "../tensor.ts";
import { f32Literal } from "../wgsl.ts";

type None = Record<never, never>;
const NONE: None = {};

const PAIR = { inputs: { a: [2, 3, 5], b: [2, 3, 5] }, attrs: NONE };
const PAIR_BROADCAST = { inputs: { a: [3, 1, 7], b: [5, 1] }, attrs: NONE };
const PAIR_SCALAR = { inputs: { a: [], b: [1, 513] }, attrs: NONE };
const PAIRS = [PAIR, PAIR_BROADCAST, PAIR_SCALAR];

/** Values away from 0, where a function or its derivative has a pole. */
const positive = (_: number, random: () => number) => 0.5 + 2 * random();
const ONES = [{ inputs: { x: [3, 5, 7] }, attrs: NONE }, { inputs: { x: [1] }, attrs: NONE }];
const POSITIVE = ONES.map((sample) => ({ ...sample, fill: { x: positive } }));

const addOp: Op<"a" | "b", None> = defineElementwise({
  name: "add",
  inputs: ["a", "b"],
  cheap: true,
  expression: ({ a, b }) => `${a} + ${b}`,
  scalar: ({ a, b }) => a + b,
  vjp: (gy) => ({ a: gy, b: gy }),
  samples: PAIRS,
});

const subOp: Op<"a" | "b", None> = defineElementwise({
  name: "sub",
  inputs: ["a", "b"],
  cheap: true,
  expression: ({ a, b }) => `${a} - ${b}`,
  scalar: ({ a, b }) => a - b,
  vjp: (gy) => ({ a: gy, b: neg(gy) }),
  samples: PAIRS,
});

const mulOp: Op<"a" | "b", None> = defineElementwise({
  name: "mul",
  inputs: ["a", "b"],
  cheap: true,
  expression: ({ a, b }) => `${a} * ${b}`,
  scalar: ({ a, b }) => a * b,
  vjp: (gy, { a, b }) => ({ a: mul(gy, b), b: mul(gy, a) }),
  samples: PAIRS,
});

const divOp: Op<"a" | "b", None> = defineElementwise({
  name: "div",
  inputs: ["a", "b"],
  expression: ({ a, b }) => `${a} / ${b}`,
  scalar: ({ a, b }) => a / b,
  vjp: (gy, { b, out }) => ({ a: div(gy, b), b: neg(div(mul(gy, out), b)) }),
  samples: PAIRS.map((sample) => ({ ...sample, fill: { b: positive } })),
});

const maximumOp: Op<"a" | "b", None> = defineElementwise({
  name: "maximum",
  inputs: ["a", "b"],
  cheap: true,
  expression: ({ a, b }) => `max(${a}, ${b})`,
  scalar: ({ a, b }) => Math.max(a, b),
  vjp: (gy, { a, b }) => ({ a: mul(gy, greaterEqual(a, b)), b: mul(gy, greater(b, a)) }),
  samples: PAIRS,
});

const greaterOp: Op<"a" | "b", None> = defineElementwise({
  name: "greater",
  inputs: ["a", "b"],
  cheap: true,
  expression: ({ a, b }) => `select(0.0, 1.0, ${a} > ${b})`,
  scalar: ({ a, b }) => a > b ? 1 : 0,
  vjp: () => ({ a: null, b: null }),
  samples: PAIRS,
});

const greaterEqualOp: Op<"a" | "b", None> = defineElementwise({
  name: "greater_equal",
  inputs: ["a", "b"],
  cheap: true,
  expression: ({ a, b }) => `select(0.0, 1.0, ${a} >= ${b})`,
  scalar: ({ a, b }) => a >= b ? 1 : 0,
  vjp: () => ({ a: null, b: null }),
  samples: PAIRS,
});

const affineOp: Op<"x", { scale: number; offset: number }> = defineElementwise({
  name: "affine",
  inputs: ["x"],
  cheap: true,
  expression: ({ x }, { scale, offset }) => {
    const scaled = scale === 1 ? x : `${f32Literal(scale)} * ${x}`;
    return offset === 0 ? scaled : `${scaled} + ${f32Literal(offset)}`;
  },
  scalar: ({ x }, { scale, offset }) => scale * x + offset,
  vjp: (gy, _, { scale }) => ({ x: mul(gy, scale) }),
  samples: [
    { inputs: { x: [3, 5] }, attrs: { scale: -1.7, offset: 0.3 } },
    { inputs: { x: [7] }, attrs: { scale: 1, offset: -2 } },
  ],
});

const expOp: Op<"x", None> = defineElementwise({
  name: "exp",
  inputs: ["x"],
  expression: ({ x }) => `exp(${x})`,
  scalar: ({ x }) => Math.exp(x),
  vjp: (gy, { out }) => ({ x: mul(gy, out) }),
  samples: ONES,
});

const logOp: Op<"x", None> = defineElementwise({
  name: "log",
  inputs: ["x"],
  expression: ({ x }) => `log(${x})`,
  scalar: ({ x }) => Math.log(x),
  vjp: (gy, { x }) => ({ x: div(gy, x) }),
  samples: POSITIVE,
});

const sqrtOp: Op<"x", None> = defineElementwise({
  name: "sqrt",
  inputs: ["x"],
  expression: ({ x }) => `sqrt(${x})`,
  scalar: ({ x }) => Math.sqrt(x),
  vjp: (gy, { out }) => ({ x: div(mul(gy, 0.5), out) }),
  samples: POSITIVE,
});

const rsqrtOp: Op<"x", None> = defineElementwise({
  name: "rsqrt",
  inputs: ["x"],
  expression: ({ x }) => `inverseSqrt(${x})`,
  scalar: ({ x }) => 1 / Math.sqrt(x),
  vjp: (gy, { out }) => ({ x: mul(mul(gy, -0.5), mul(out, square(out))) }),
  samples: POSITIVE,
});

const squareOp: Op<"x", None> = defineElementwise({
  name: "square",
  inputs: ["x"],
  cheap: true,
  expression: ({ x }) => `${x} * ${x}`,
  scalar: ({ x }) => x * x,
  vjp: (gy, { x }) => ({ x: mul(mul(gy, 2), x) }),
  samples: ONES,
});

const absOp: Op<"x", None> = defineElementwise({
  name: "abs",
  inputs: ["x"],
  cheap: true,
  expression: ({ x }) => `abs(${x})`,
  scalar: ({ x }) => Math.abs(x),
  vjp: (gy, { x }) => ({ x: mul(gy, sign(x)) }),
  samples: ONES,
});

const signOp: Op<"x", None> = defineElementwise({
  name: "sign",
  inputs: ["x"],
  cheap: true,
  expression: ({ x }) => `sign(${x})`,
  scalar: ({ x }) => Math.sign(x),
  vjp: () => ({ x: null }),
  samples: ONES,
});

const sigmoidOp: Op<"x", None> = defineElementwise({
  name: "sigmoid",
  inputs: ["x"],
  expression: ({ x }) => `1.0 / (1.0 + exp(-${x}))`,
  scalar: ({ x }) => 1 / (1 + Math.exp(-x)),
  vjp: (gy, { out }) => ({ x: mul(gy, mul(out, sub(1, out))) }),
  samples: ONES,
});

/** Taylor's coefficients of `sin(2π x) / x` in x²: up to a quarter turn the rest is below 6e-8. */
const SINE_OF_TURNS = [1, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800]
  .map((coefficient, k) => coefficient * (2 * Math.PI) ** (2 * k + 1));

/** The polynomial of `square` with these coefficients, by Horner's rule. */
function evenSeries(coefficients: readonly number[], square: string): string {
  return coefficients.reduceRight(
    (rest, coefficient) => `(${f32Literal(coefficient)} + ${square} * ${rest})`,
    "0.0",
  );
}

const sinTurnsOp: Op<"x", None> = defineElementwise({
  name: "sin_turns",
  inputs: ["x"],
  // WGSL promises of its own sine no more than 11 bits, and some adapters give no more.
  expression: ({ x }) => {
    const turn = `(${x} - round(${x}))`;
    const quarter = `max(min(${turn}, 0.5 - ${turn}), -0.5 - ${turn})`; // of the same sine
    return `${quarter} * ${evenSeries(SINE_OF_TURNS, `${quarter} * ${quarter}`)}`;
  },
  scalar: ({ x }) => Math.sin(2 * Math.PI * x),
  vjp: (gy, { x }) => ({ x: mul(mul(gy, 2 * Math.PI), sinTurns(add(x, 0.25))) }),
  samples: ONES,
});

/** `y = gain * max(x, slope * x)`, with `0 <= slope <= 1` and `gain > 0`. */
export const lrelu: Op<"x", { slope: number; gain: number }> = defineElementwise({
  name: "lrelu",
  inputs: ["x"],
  cheap: true,
  expression: ({ x }, { slope, gain }) =>
    `${f32Literal(gain)} * max(${x}, ${f32Literal(slope)} * ${x})`,
  scalar: ({ x }, { slope, gain }) => gain * Math.max(x, slope * x),
  // y has the sign of x: reading y lets x leave memory early.
  vjp: (gy, { out }, attrs) => ({ x: lreluGrad({ gy, y: out }, attrs) }),
  samples: [
    { inputs: { x: [2, 3, 5, 7] }, attrs: { slope: 0.2, gain: Math.SQRT2 } },
    { inputs: { x: [513] }, attrs: { slope: 0.01, gain: 1 } },
    { inputs: { x: [3, 5, 7] }, attrs: { slope: 0, gain: 1 } },
  ],
});

/** Cotangent of `lrelu`'s input from that of its output and the output itself. */
export const lreluGrad: Op<"gy" | "y", { slope: number; gain: number }> = defineElementwise({
  name: "lrelu_grad",
  inputs: ["gy", "y"],
  cheap: true,
  expression: ({ gy, y }, { slope, gain }) =>
    `${gy} * select(${f32Literal(gain * slope)}, ${f32Literal(gain)}, ${y} > 0.0)`,
  scalar: ({ gy, y }, { slope, gain }) => gy * (y > 0 ? gain : gain * slope),
  vjp: (g, { y }, attrs) => ({ gy: lreluGrad({ gy: g, y }, attrs), y: null }),
  samples: [{ inputs: { gy: [3, 5], y: [3, 5] }, attrs: { slope: 0.2, gain: Math.SQRT2 } }],
});

/** The `x` that `lrelu` turned into `y`, for a slope above 0. */
export const lreluInverse: Op<"y", { slope: number; gain: number }> = defineElementwise({
  name: "lrelu_inverse",
  inputs: ["y"],
  cheap: true,
  expression: ({ y }, { slope, gain }) =>
    `${y} * select(${f32Literal(1 / (gain * slope))}, ${f32Literal(1 / gain)}, ${y} > 0.0)`,
  scalar: ({ y }, { slope, gain }) => y / (y > 0 ? gain : gain * slope),
  vjp: (g, { y }, { slope, gain }) => ({
    y: lreluGrad({ gy: g, y }, { slope: 1 / slope, gain: 1 / gain }),
  }),
  samples: [{ inputs: { y: [3, 5] }, attrs: { slope: 0.2, gain: Math.SQRT2 } }],
});

const quickGeluOp: Op<"x", None> = defineElementwise({
  name: "quick_gelu",
  inputs: ["x"],
  expression: ({ x }) => `${x} / (1.0 + exp(-1.702f * ${x}))`,
  scalar: ({ x }) => x / (1 + Math.exp(-1.702 * x)),
  // Made again from x, which the layer before has to keep anyway.
  vjp(gy, { x }) {
    const scaled = mul(x, 1.702);
    const s = sigmoid(scaled);
    return { x: mul(gy, add(s, mul(scaled, mul(s, sub(1, s))))) };
  },
  samples: ONES,
});

export function add(a: Tensor, b: Tensor | number): Tensor {
  return typeof b === "number"
    ? affineOp({ x: a }, { scale: 1, offset: b })
    : addOp({ a, b }, NONE);
}

export function sub(a: Tensor | number, b: Tensor | number): Tensor {
  if (typeof b === "number") return add(a as Tensor, -b);
  if (typeof a === "number") return affineOp({ x: b }, { scale: -1, offset: a });
  return subOp({ a, b }, NONE);
}

export function mul(a: Tensor, b: Tensor | number): Tensor {
  return typeof b === "number"
    ? affineOp({ x: a }, { scale: b, offset: 0 })
    : mulOp({ a, b }, NONE);
}

export function div(a: Tensor, b: Tensor | number): Tensor {
  return typeof b === "number" ? mul(a, 1 / b) : divOp({ a, b }, NONE);
}

export const neg = (x: Tensor): Tensor => mul(x, -1);
export const maximum = (a: Tensor, b: Tensor): Tensor => maximumOp({ a, b }, NONE);
/** 1 where `a > b`, else 0; no gradient flows through a comparison. */
export const greater = (a: Tensor, b: Tensor): Tensor => greaterOp({ a, b }, NONE);
/** 1 where `a >= b`, else 0. */
export const greaterEqual = (a: Tensor, b: Tensor): Tensor => greaterEqualOp({ a, b }, NONE);
/** `max(x, 0)`; the gradient is 0 where x is 0. */
export const relu = (x: Tensor): Tensor => lrelu({ x }, { slope: 0, gain: 1 });
export const exp = (x: Tensor): Tensor => expOp({ x }, NONE);
/** Natural logarithm. */
export const log = (x: Tensor): Tensor => logOp({ x }, NONE);
export const sqrt = (x: Tensor): Tensor => sqrtOp({ x }, NONE);
/** `1 / sqrt(x)`. */
export const rsqrt = (x: Tensor): Tensor => rsqrtOp({ x }, NONE);
export const square = (x: Tensor): Tensor => squareOp({ x }, NONE);
export const abs = (x: Tensor): Tensor => absOp({ x }, NONE);
export const sign = (x: Tensor): Tensor => signOp({ x }, NONE);
export const sigmoid = (x: Tensor): Tensor => sigmoidOp({ x }, NONE);
/** `sin(2π x)`: x in turns. */
export const sinTurns = (x: Tensor): Tensor => sinTurnsOp({ x }, NONE);
/** `x * sigmoid(1.702 x)`, the activation of OpenAI's CLIP. */
export const quickGelu = (x: Tensor): Tensor => quickGeluOp({ x }, NONE);
