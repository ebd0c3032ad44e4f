/** Reverse-mode gradients: new graph nodes, built from each op's own `vjp`. */
import { ShapeError } from "../errors.ts";
import { add } from "./ops/elementwise.ts";
import { fitCotangent } from "./ops/reduce.ts";
import { constant, numel, sameShape, type Tensor } from "./tensor.ts";

/**
 * Gradients of a scalar `loss` with respect to the tensors `wrt`, as tensors of their shapes; they
 * can be differentiated again. A tensor that the loss does not depend on gets zeros.
 */
export function grad(loss: Tensor, wrt: readonly Tensor[]): Tensor[] {
  if (numel(loss.shape) !== 1) {
    throw new ShapeError(
      `Cannot take gradients of a tensor of shape [${loss.shape}]: not a scalar`,
    );
  }
  const one = constant(Float32Array.of(1), loss.shape);
  return vjp(loss, one, wrt);
}

/** Cotangents of `wrt`, given the cotangent `gy` of `y`. */
export function vjp(y: Tensor, gy: Tensor, wrt: readonly Tensor[]): Tensor[] {
  if (!sameShape(y.shape, gy.shape)) {
    throw new ShapeError(`Cannot pull back [${gy.shape}]: the value has shape [${y.shape}]`);
  }
  const path = dependents(y, new Set(wrt));
  const cotangents = new Map<Tensor, Tensor>([[y, gy]]);
  // Inputs have smaller ids than what is made from them, so this is a reverse topological order.
  for (const node of [...path].sort((a, b) => b.id - a.id)) {
    const cotangent = cotangents.get(node);
    if (!cotangent || node.source.kind !== "op") continue;
    const { op, inputs, attrs } = node.source;
    const grads = op.vjp(cotangent, { ...inputs, out: node }, attrs);
    for (const [name, input] of Object.entries(inputs)) {
      const part = grads[name];
      if (!part || !path.has(input)) continue;
      const fitted = fitCotangent(part, input.shape);
      const known = cotangents.get(input);
      cotangents.set(input, known ? add(known, fitted) : fitted);
    }
  }
  return wrt.map((tensor) =>
    cotangents.get(tensor) ??
      constant(new Float32Array(numel(tensor.shape)), tensor.shape)
  );
}

/** The nodes between `wrt` and `y`: those that `y` is made from and that are made from `wrt`. */
function dependents(y: Tensor, wrt: ReadonlySet<Tensor>): Set<Tensor> {
  const all: Tensor[] = [];
  const seen = new Set<Tensor>([y]);
  const stack = [y];
  while (stack.length > 0) {
    const node = stack.pop()!;
    all.push(node);
    if (node.source.kind !== "op") continue;
    for (const input of Object.values(node.source.inputs)) {
      if (!seen.has(input)) {
        seen.add(input);
        stack.push(input);
      }
    }
  }
  const path = new Set<Tensor>();
  for (const node of all.sort((a, b) => a.id - b.id)) {
    const reaches = node.source.kind === "op" &&
      Object.values(node.source.inputs).some((input) => path.has(input));
    if (wrt.has(node) || reaches) path.add(node);
  }
  return path;
}
