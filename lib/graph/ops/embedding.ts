/** Looking up rows of a table. */
import embeddingWgsl from "../../../kernels/embedding.wgsl" with { type: "text" };
import embeddingGradWgsl from "../../../kernels/embedding_grad.wgsl" with { type: "text" };
import { ShapeError } from "../../errors.ts";
import { defineOp, type Op } from "../op.ts";
import { dims, numel } from "../tensor.ts";
import { PER_ELEMENT, perElement } from "./launch.ts";

const someId = (rows: number) => (_: number, random: () => number) => Math.floor(rows * random());

/** Rows `ids` (u32 `[...]`, each below v) of the table `[v, d]`, as `[..., d]`. */
export const embedding: Op<"table" | "ids", Record<never, never>> = defineOp({
  name: "embedding",
  dtypes: { ids: "u32" },
  shape({ table, ids }) {
    if (table.rank !== 2) throw new ShapeError(`Cannot look up rows of [${table.shape}]`);
    return [...ids.shape, table.shape[1]!];
  },
  kernels: [{
    name: "embedding",
    source: embeddingWgsl,
    params: ({ table }, _, out) => ({ count: numel(out.shape), width: table.shape[1]! }),
    consts: PER_ELEMENT,
    grid: perElement,
  }],
  reference({ table, ids }) {
    const width = table.shape[1]!;
    return Array.from(
      { length: numel(ids.shape) * width },
      (_, i) => table.data[ids.data[Math.floor(i / width)]! * width + i % width]!,
    );
  },
  vjp: (gy, { table, ids }) => ({
    table: embeddingGrad({ gy, ids }, { rows: table.shape[0]! }),
    ids: null,
  }),
  samples: [
    { inputs: { table: [11, 5], ids: [3, 4] }, attrs: {}, fill: { ids: someId(11) } },
    { inputs: { table: [3, 65], ids: [1] }, attrs: {}, fill: { ids: someId(3) } },
  ],
});

/** Cotangent of a table of `rows` rows: each row sums the cotangents of its look-ups. */
const embeddingGrad: Op<"gy" | "ids", { rows: number }> = defineOp({
  name: "embedding_grad",
  dtypes: { ids: "u32" },
  shape: ({ gy }, { rows }) => [rows, gy.shape.at(-1)!],
  kernels: [{
    name: "embedding_grad",
    source: embeddingGradWgsl,
    params({ gy, ids }, _, out) {
      const { width } = dims(gy, "...all width");
      return { count: numel(out.shape), width, ids: numel(ids.shape) };
    },
    consts: PER_ELEMENT,
    grid: perElement,
  }],
  reference({ gy, ids }, { rows }) {
    const width = gy.shape.at(-1)!;
    const out = new Float64Array(rows * width);
    for (let i = 0; i < numel(gy.shape); i++) {
      out[ids.data[Math.floor(i / width)]! * width + i % width]! += gy.data[i]!;
    }
    return out;
  },
  vjp: (v, { ids }) => ({ gy: embedding({ table: v, ids }, {}), ids: null }),
  samples: [{
    inputs: { gy: [2, 3, 5], ids: [2, 3] },
    attrs: { rows: 4 },
    fill: { ids: someId(4) },
  }],
});
