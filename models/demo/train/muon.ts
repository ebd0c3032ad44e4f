/**
 * Muon (Jordan et al. 2024): momentum whose matrices are made nearly orthogonal before each step.
 * The matrices of a transformer learn in fewer steps by it than by Adam.
 */
import {
  add,
  div,
  matmul,
  maximum,
  mul,
  sqrt,
  square,
  sum,
  transpose,
} from "../../../lib/graph/ops/mod.ts";
import { constant, dims, type Tensor } from "../../../lib/graph/tensor.ts";

const MOMENTUM = 0.95;
const ROUNDS = 5;
/** Of a quintic that draws singular values towards 1, fast rather than exactly. */
const [LINEAR, CUBIC, QUINTIC] = [3.4445, -4.775, 2.0315];

/**
 * The momentum after a step with gradient `g`, and what is subtracted from the matrix `[out, in]`
 * for each unit of the learning rate.
 */
export function muonStep(g: Tensor, before: Tensor): { momentum: Tensor; step: Tensor } {
  const { out, inputs } = dims(g, "out inputs");
  const momentum = add(mul(before, MOMENTUM), g);
  const direction = orthogonalised(add(g, mul(momentum, MOMENTUM)));
  return { momentum, step: mul(direction, Math.sqrt(Math.max(1, out / inputs))) };
}

/** Newton-Schulz rounds towards the nearest matrix whose singular values are all 1. */
export function orthogonalised(matrix: Tensor): Tensor {
  const { rows, columns } = dims(matrix, "rows columns");
  const flip = (x: Tensor) => rows > columns ? transpose(x, [1, 0]) : x;
  let x = div(flip(matrix), maximum(sqrt(sum(square(matrix))), constant(1e-30)));
  for (let round = 0; round < ROUNDS; round++) {
    const gram = matmul({ a: x, b: x }, { transposeB: true });
    const mixed = add(mul(gram, CUBIC), mul(matmul({ a: gram, b: gram }, {}), QUINTIC));
    x = add(mul(x, LINEAR), matmul({ a: mixed, b: x }, {}));
  }
  return flip(x);
}
