/** Principal components, by iterating a subspace. */
import type { Gpu } from "../../../lib/gpu/device.ts";
import { matmul } from "../../../lib/graph/ops/mod.ts";
import { Program } from "../../../lib/graph/program.ts";
import { constant, input } from "../../../lib/graph/tensor.ts";
import { StepRandom } from "./random.ts";
import { orthonormal } from "./vectors.ts";

/** Enough for the leading directions; they need not be exact. */
const ROUNDS = 12;

/**
 * The coordinates of `rows` `[n, d]`, less their mean, along their `count` leading directions, the
 * largest first: `[n, count]`.
 */
export async function principalCoordinates(
  gpu: Gpu,
  rows: Float32Array<ArrayBuffer>,
  { n, d, count }: { n: number; d: number; count: number },
): Promise<Float32Array<ArrayBuffer>> {
  const mean = new Float64Array(d);
  rows.forEach((value, i) => mean[i % d]! += value / n);
  const x = constant(rows.map((value, i) => value - mean[i % d]!), [n, d]);
  const along = matmul({ a: x, b: input("directions", [d, count]) }, {});
  const program = await Program.compile(gpu, {
    outputs: { along, next: matmul({ a: x, b: along }, { transposeA: true }) },
  });
  try {
    let directions = orthonormalColumns(new StepRandom(0, 0).normals(d * count), d, count);
    for (let round = 0; round < ROUNDS; round++) {
      const { next } = await program.run({ directions }, { read: ["next"] });
      directions = orthonormalColumns(next!, d, count);
    }
    const { along } = await program.run({ directions }, { read: ["along"] });
    return Float32Array.from(along!);
  } finally {
    program.dispose();
  }
}

/** The columns of `[d, count]` made orthonormal. */
function orthonormalColumns(
  flat: ArrayLike<number>,
  d: number,
  count: number,
): Float32Array<ArrayBuffer> {
  const columns = Array.from(
    { length: count },
    (_, k) => Float64Array.from({ length: d }, (_, i) => flat[i * count + k]!),
  );
  const done = orthonormal(columns);
  return Float32Array.from(
    { length: d * count },
    (_, i) => done[i % count]![Math.floor(i / count)]!,
  );
}
