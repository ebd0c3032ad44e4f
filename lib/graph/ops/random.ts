/** Random numbers that have the same bits on every device. */
import randomNormalWgsl from "../../../kernels/random_normal.wgsl" with { type: "text" };
import { defineOp, type Op } from "../op.ts";
import { constant, numel, type Shape, type Tensor } from "../tensor.ts";
import { PER_ELEMENT, perElement } from "./launch.ts";

const OCTAVES = 31;
const SEGMENTS = 64;

/** P(X > x) of a normal X, for x >= 0. */
function upperTail(x: number): number {
  const density = Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
  if (x < 2.5) { // Φ(x) - 1/2 = φ(x) (x + x³/3 + x⁵/15 + …)
    let term = x;
    let sum = x;
    for (let k = 3; term > 1e-18 * sum; k += 2) sum += term *= x * x / k;
    return 0.5 - density * sum;
  }
  let fraction = x; // φ(x) / (x + 1/(x + 2/(x + 3/(x + …))))
  for (let k = 120; k > 0; k--) fraction = x + k / fraction;
  return density / fraction;
}

/** Upper quantiles in units of 2^-20, by power of two of the tail and 64 steps within each. */
function quantileTable(): Uint32Array<ArrayBuffer> {
  const table = new Uint32Array((OCTAVES + 1) * (SEGMENTS + 1));
  for (let octave = 0; octave <= OCTAVES; octave++) {
    let x = Math.sqrt(2 * Math.log(2) * (octave + 1)) * 0.8;
    for (let s = 0; s <= SEGMENTS; s++) {
      const tail = 2 ** -(octave + 2) * (1 + s / SEGMENTS);
      for (let round = 0; round < 12; round++) {
        x += (upperTail(x) - tail) * Math.sqrt(2 * Math.PI) * Math.exp(x * x / 2);
        x = Math.max(x, 0);
      }
      table[octave * (SEGMENTS + 1) + s] = Math.round(x * 2 ** 20);
    }
  }
  return table;
}

let table: Tensor | undefined;
const quantiles = () => table ??= constant(quantileTable(), [(OCTAVES + 1) * (SEGMENTS + 1)]);

/** First word of the pcg4d hash. */
function hash(input: readonly [number, number, number, number]): number {
  let [x, y, z, w] = input.map((v) => (Math.imul(v, 1664525) + 1013904223) >>> 0) as [
    number,
    number,
    number,
    number,
  ];
  const mix = () => {
    x = (x + Math.imul(y, w)) >>> 0;
    y = (y + Math.imul(z, x)) >>> 0;
    z = (z + Math.imul(x, y)) >>> 0;
    w = (w + Math.imul(y, z)) >>> 0;
  };
  mix();
  [x, y, z, w] = [x ^ x >>> 16, y ^ y >>> 16, z ^ z >>> 16, w ^ w >>> 16];
  mix();
  return x >>> 0;
}

interface RandomAttrs {
  readonly shape: Shape;
  /** Tells draws under one key apart. */
  readonly stream: number;
}

const randomNormalOp: Op<"key" | "table", RandomAttrs> = defineOp({
  name: "random_normal",
  dtypes: { key: "u32", table: "u32" },
  shape: (_, { shape }) => shape,
  kernels: [{
    name: "random_normal",
    source: randomNormalWgsl,
    params: (_, { shape, stream }) => ({ count: numel(shape), stream }),
    consts: PER_ELEMENT,
    grid: perElement,
  }],
  reference: ({ key, table }, { shape, stream }) =>
    Array.from({ length: numel(shape) }, (_, i) => {
      const bits = hash([i, key.data[0]!, key.data[1]!, stream]);
      const tail = bits & 0x7fffffff;
      const octave = Math.min(Math.clz32(tail) - 1, 30);
      const fraction = (tail << (octave + 2)) >>> 16;
      const at = octave * (SEGMENTS + 1) + (fraction >>> 10);
      const near = table.data[at]!;
      const step = near - table.data[at + 1]!;
      const magnitude = (near - ((step * (fraction & 1023)) >>> 10)) * 2 ** -20;
      return bits >>> 31 ? -magnitude : magnitude;
    }),
  vjp: () => ({ key: null, table: null }),
  samples: [{
    inputs: { key: [2], table: [(OCTAVES + 1) * (SEGMENTS + 1)] },
    attrs: { shape: [7, 1001], stream: 3 },
    fill: {
      key: (i) => [12345, 4294967295][i]!,
      table: (i) => {
        const { source } = quantiles();
        return source.kind === "constant" ? source.data[i]! : NaN;
      },
    },
  }],
});

/**
 * Normal numbers of the given shape, from key (u32 `[2]`: seed and counter) and `stream`, which
 * tells draws under one key apart. Quantiles are exact to about 1e-5, tails reach 6.2.
 */
export function randomNormal(key: Tensor, shape: Shape, stream = 0): Tensor {
  return randomNormalOp({ key, table: quantiles() }, { shape, stream });
}
