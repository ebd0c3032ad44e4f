/** Linear resampling along an axis: a banded matrix, which bicubic resizing and cropping both are. */
import resampleWgsl from "../../../kernels/resample.wgsl" with { type: "text" };
import { ShapeError } from "../../errors.ts";
import { defineGather, defineOp, type Op, type OpSpec } from "../op.ts";
import { constant, numel, type Shape, type Tensor } from "../tensor.ts";
import { PER_ELEMENT, perElement } from "./launch.ts";

/** Output `o` is `Σ_t weights[o][t] * x[start[o] + t]`; starts never decrease. */
export interface Band {
  readonly inputSize: number;
  readonly start: readonly number[];
  readonly weights: readonly (readonly number[])[];
}

interface BandTables {
  readonly start: Tensor;
  readonly weight: Tensor;
  readonly taps: number;
  readonly transposed: Band;
}

const tables = new WeakMap<Band, BandTables>();

/** The band as constants, made once so that equal calls share them. */
function tablesOf(band: Band): BandTables {
  const known = tables.get(band);
  if (known) return known;
  const rows = band.start.length;
  const taps = Math.max(...band.weights.map((row) => row.length));
  const weight = new Float32Array(rows * taps);
  band.weights.forEach((row, o) => weight.set(row, o * taps));
  const made = {
    start: constant(Uint32Array.from(band.start), [rows]),
    weight: constant(weight, [rows, taps]),
    taps,
    transposed: transposeBand(band),
  };
  tables.set(band, made);
  return made;
}

/** The band of the transposed matrix: what resampling does to cotangents. */
export function transposeBand({ inputSize, start, weights }: Band): Band {
  const first = new Array<number>(inputSize).fill(0);
  const columns: number[][] = Array.from({ length: inputSize }, () => []);
  weights.forEach((row, o) =>
    row.forEach((weight, t) => {
      const i = start[o]! + t;
      if (weight === 0 || i >= inputSize) return;
      const column = columns[i]!;
      if (column.length === 0) first[i] = o;
      while (column.length < o - first[i]!) column.push(0);
      column.push(weight);
    })
  );
  return {
    inputSize: start.length,
    start: first,
    weights: columns.map((column) => column.length > 0 ? column : [0]),
  };
}

interface ResampleAttrs {
  readonly axis: number;
  readonly band: Band;
}

function split(shape: Shape, axis: number) {
  return { outer: numel(shape.slice(0, axis)), inner: numel(shape.slice(axis + 1)) };
}

const SAMPLE_BAND: Band = {
  inputSize: 7,
  start: [0, 0, 2, 5],
  weights: [[0.5, 0.25], [1, -0.5, 0.25], [0.3, 0, 0.1], [2, 1]],
};

const common: Pick<
  OpSpec<"x" | "start" | "weight", ResampleAttrs>,
  "dtypes" | "shape" | "blocks" | "reference" | "vjp" | "samples"
> = {
  dtypes: { start: "u32" },
  shape({ x }, { axis, band }) {
    if (x.shape[axis] !== band.inputSize) {
      throw new ShapeError(
        `Cannot resample axis ${axis} of [${x.shape}]: the band takes ${band.inputSize} elements`,
      );
    }
    return x.shape.with(axis, band.start.length);
  },
  blocks: ({ x }, { axis }) => x.shape.map((_, other) => other === axis ? null : { x: other }),
  reference({ x }, { axis, band }) {
    const { outer, inner } = split(x.shape, axis);
    const out: number[] = [];
    for (let a = 0; a < outer; a++) {
      band.weights.forEach((row, o) => {
        for (let b = 0; b < inner; b++) {
          out.push(row.reduce((sum, weight, t) => {
            const at = (a * band.inputSize + band.start[o]! + t) * inner + b;
            return sum + (weight === 0 ? 0 : weight * x.data[at]!);
          }, 0));
        }
      });
    }
    return out;
  },
  vjp: (gy, _, { axis, band }) => ({
    x: resample(gy, axis, tablesOf(band).transposed),
    start: null,
    weight: null,
  }),
  samples: [0, 1, 2].map((axis) => {
    const { start, weight } = tablesOf(SAMPLE_BAND);
    const data = (tensor: Tensor) => (i: number) =>
      tensor.source.kind === "constant" ? tensor.source.data[i]! : NaN;
    return {
      inputs: { x: [2, 3, 5].with(axis, 7), start: start.shape, weight: weight.shape },
      attrs: { axis, band: SAMPLE_BAND },
      fill: { start: data(start), weight: data(weight) },
    };
  }),
};

const resampleOp: Op<"x" | "start" | "weight", ResampleAttrs> = defineOp({
  ...common,
  name: "resample",
  kernels: [{
    name: "resample",
    source: resampleWgsl,
    params({ x, weight }, { axis, band }, out) {
      const { inner } = split(x.shape, axis);
      return {
        count: numel(out.shape),
        len_in: band.inputSize,
        len_out: band.start.length,
        inner,
        taps: weight.shape[1]!,
      };
    },
    consts: PER_ELEMENT,
    grid: perElement,
  }],
});

/** The same without a kernel: written into whatever reads its result. */
const resampleInline: Op<"x" | "start" | "weight", ResampleAttrs> = defineGather({
  ...common,
  name: "resample_inline",
  body(at, { x, weight }, { axis, band: { inputSize, start } }) {
    const { inner } = split(x.shape, axis);
    const taps = weight.shape[1]!;
    const input = at(
      "x",
      `(first + min(begin + t, ${inputSize - 1}u)) * ${inner}u + i % ${inner}u`,
    );
    return `
  let o = i / ${inner}u % ${start.length}u;
  let first = i / ${inner * start.length}u * ${inputSize}u;
  let begin = ${at("start", "o")};
  var sum = 0.0;
  for (var t = 0u; t < ${taps}u; t++) { sum += ${at("weight", `o * ${taps}u + t`)} * ${input}; }
  return sum;`;
  },
});

/**
 * Applies the banded matrix along `axis`: `[.., inputSize, ..]` → `[.., outputs, ..]`. Where no element
 * is read twice, or only one for an output, as bicubic resizing shrinks images and takes cotangents
 * back, what follows does it on the way.
 */
export function resample(x: Tensor, axis: number, band: Band): Tensor {
  const { start, weight, taps } = tablesOf(band);
  const isInline = taps === 1 || taps * band.start.length <= band.inputSize;
  return (isInline ? resampleInline : resampleOp)({ x, start, weight }, { axis, band });
}
