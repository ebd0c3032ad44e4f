/** Reverse-mode gradients: new graph nodes, built from each op's own `vjp`. */
import { ShapeError } from "../errors.ts";
import { add } from "./ops/elementwise.ts";
import { fitCotangent } from "./ops/reduce.ts";
import { pad } from "./ops/shape.ts";
import { behind } from "./roots.ts";
import { allRows, hull, overlap, rowCall, type Rows, rowsMadeFrom, takeRows } from "./rows.ts";
import { constant, numel, sameShape, type Shape, type Tensor } from "./tensor.ts";

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

/** A cotangent of a tensor's rows from `first` on; that of the others is 0, and is not computed. */
interface Cotangent {
  readonly value: Tensor;
  readonly first: number;
}

/** Cotangents of `wrt`, given the cotangent `gy` of `y`. */
export function vjp(y: Tensor, gy: Tensor, wrt: readonly Tensor[]): Tensor[] {
  return pullBack(y, gy, wrt, new Set());
}

/**
 * The same where each of `wrt` counts as independent, whatever it is made from: what an op's own
 * `vjp` needs, as one input may depend on another.
 */
export function partialVjp(y: Tensor, gy: Tensor, wrt: readonly Tensor[]): Tensor[] {
  return pullBack(y, gy, wrt, new Set(wrt));
}

/** Cotangents of `wrt`; nothing goes back beyond `ends`. */
function pullBack(
  y: Tensor,
  gy: Tensor,
  wrt: readonly Tensor[],
  ends: ReadonlySet<Tensor>,
): Tensor[] {
  if (!sameShape(y.shape, gy.shape)) {
    throw new ShapeError(`Cannot pull back [${gy.shape}]: the value has shape [${y.shape}]`);
  }
  const path = dependents(y, new Set(wrt));
  const cotangents = new Map<Tensor, Cotangent>([[y, { value: gy, first: 0 }]]);
  // Inputs have smaller ids than what is made from them, so this is a reverse topological order.
  for (const node of [...path.keys()].sort((a, b) => b.id - a.id)) {
    const cotangent = cotangents.get(node);
    if (!cotangent || node.source.kind !== "op" || ends.has(node)) continue;
    for (const [name, part] of pulledBack(node, cotangent)) {
      const input = node.source.inputs[name]!;
      const needed = path.get(input) && within(part, path.get(input)!);
      if (!needed) continue;
      const known = cotangents.get(input);
      cotangents.set(input, known ? sumOf(known, needed, input.shape) : needed);
    }
  }
  return wrt.map((tensor) => {
    const cotangent = cotangents.get(tensor);
    return cotangent
      ? whole(cotangent, tensor.shape)
      : constant(new Float32Array(numel(tensor.shape)), tensor.shape);
  });
}

/** The cotangents that a node passes to its inputs, by their names. */
function pulledBack(node: Tensor, cotangent: Cotangent): [string, Cotangent][] {
  if (node.source.kind !== "op") return [];
  const { op, inputs, attrs } = node.source;
  const rows = { first: cotangent.first, count: allRows(cotangent.value).count };
  const call = sameShape(cotangent.value.shape, node.shape) ? null : rowCall(node, rows);
  const from = call?.inputs ?? inputs;
  const gy = call ? cotangent.value : whole(cotangent, node.shape);
  const grads = op.vjp(gy, { ...from, out: call ? takeRows(node, rows) : node }, attrs);
  return Object.keys(inputs).flatMap((name): [string, Cotangent][] => {
    if (!grads[name]) return [];
    const value = fitCotangent(grads[name], from[name]!.shape);
    const at = call?.rows[name];
    return [[name, at ? { value, first: at.first } : unpadded(value)]];
  });
}

/** A cotangent that was padded with rows of zeros, without them. */
function unpadded(value: Tensor): Cotangent {
  if (value.source.kind === "op" && value.source.op.name === "pad") {
    const { inputs: { x }, attrs } = value.source;
    const { before } = attrs as { before: readonly number[] };
    const onlyRows = x!.shape.every((size, axis) => axis === 0 || size === value.shape[axis]);
    if (onlyRows) return { value: x!, first: before[0]! };
  }
  return { value, first: 0 };
}

/** What of a cotangent is of these rows; null if nothing is. */
function within({ value, first }: Cotangent, rows: Rows): Cotangent | null {
  const all = { first, count: allRows(value).count };
  const common = overlap(all, rows);
  if (!common || common.count === all.count) return common && { value, first };
  return {
    value: takeRows(value, { ...common, first: common.first - first }),
    first: common.first,
  };
}

/** The cotangent of all rows of a tensor of this shape. */
function whole({ value, first }: Cotangent, shape: Shape): Tensor {
  if (sameShape(value.shape, shape)) return value;
  const before = shape.map((_, axis) => axis === 0 ? first : 0);
  return pad(value, before, shape.map((size, axis) => size - before[axis]! - value.shape[axis]!));
}

function sumOf(a: Cotangent, b: Cotangent, shape: Shape): Cotangent {
  return a.first === b.first && sameShape(a.value.shape, b.value.shape)
    ? { value: add(a.value, b.value), first: a.first }
    : { value: add(whole(a, shape), whole(b, shape)), first: 0 };
}

/**
 * The nodes between `wrt` and `y`, those that `y` is made from and that are made from `wrt`, with
 * the rows that are.
 */
function dependents(y: Tensor, wrt: ReadonlySet<Tensor>): Map<Tensor, Rows> {
  const path = new Map<Tensor, Rows>();
  for (const node of behind([y])) {
    if (wrt.has(node)) path.set(node, allRows(node));
    else if (node.source.kind === "op") {
      for (const [name, input] of Object.entries(node.source.inputs)) {
        const rows = path.has(input) && rowsMadeFrom(node, name, path.get(input)!);
        const known = path.get(node);
        if (rows) path.set(node, known ? hull(known, rows) : rows);
      }
    }
  }
  return path;
}
