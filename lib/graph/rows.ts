/** Rows of tensors, along the leading axis: which depend on which, and calls on some of them. */
import { slice } from "./ops/shape.ts";
import { type Call, tableOf } from "./split.ts";
import type { Attrs, Tensor } from "./tensor.ts";

/** Rows `first` and on, `count` of them; a scalar counts as one row. */
export interface Rows {
  readonly first: number;
  readonly count: number;
}

/** A call on some rows of its inputs. */
export interface RowCall {
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** Which rows of each input; inputs that are not named are whole. */
  readonly rows: Readonly<Record<string, Rows>>;
}

export const allRows = ({ shape }: Tensor): Rows => ({ first: 0, count: shape[0] ?? 1 });

/** The tensor's rows; it has to have a leading axis. */
export function takeRows(x: Tensor, { first, count }: Rows): Tensor {
  return slice(x, x.shape.map((_, axis) => axis === 0 ? first : 0), x.shape.with(0, count));
}

/** The rows that both have, null if there is none. */
export function overlap(a: Rows, b: Rows): Rows | null {
  const first = Math.max(a.first, b.first);
  const count = Math.min(a.first + a.count, b.first + b.count) - first;
  return count > 0 ? { first, count } : null;
}

/** The rows of either and those between them. */
export function hull(a: Rows, b: Rows): Rows {
  const first = Math.min(a.first, b.first);
  return { first, count: Math.max(a.first + a.count, b.first + b.count) - first };
}

/** The rows of a node that are made from some of one of its inputs, as far as is known. */
export function rowsMadeFrom(node: Tensor, name: string, rows: Rows): Rows | null {
  const { source } = node;
  if (source.kind !== "op") return null;
  const all = allRows(node);
  const input = source.inputs[name]!;
  const moved = rowsMoved(source);
  if (moved !== null) return overlap({ ...rows, first: rows.first + moved }, all);
  const each = all.count / allRows(input).count;
  const apart = rows.count < allRows(input).count && leadingAxes(node, source)?.[name] === 0 &&
    Number.isInteger(rows.first * each) && Number.isInteger(rows.count * each);
  return apart ? { first: rows.first * each, count: rows.count * each } : all;
}

/**
 * The inputs from which the op of `node` makes those of its rows, with the attributes that it has;
 * null where rows need more than rows of the inputs.
 */
export function rowCall(node: Tensor, { first, count }: Rows): RowCall | null {
  const { source } = node;
  if (source.kind !== "op" || node.rank === 0) return null;
  const axes = leadingAxes(node, source);
  const size = node.shape[0]!;
  // Ops say that they can be cut into equal blocks.
  if (!axes || first % count !== 0 || size % count !== 0) return null;
  const rows: Record<string, Rows> = {};
  const inputs: Record<string, Tensor> = {};
  for (const [name, input] of Object.entries(source.inputs)) {
    inputs[name] = input;
    if (axes[name] === undefined) continue;
    const each = input.shape[0]! / size;
    if (axes[name] !== 0 || !Number.isInteger(count * each)) return null;
    rows[name] = { first: first * each, count: count * each };
    inputs[name] = takeRows(input, rows[name]);
  }
  return { inputs, rows };
}

/** By how many rows a call moves those of its input x, if that is what it does. */
function rowsMoved({ op, attrs }: Call): number | null {
  if (op.kind !== "gather") return null;
  if (op.name === "pad") return (attrs as { before: readonly number[] }).before[0]!;
  if (op.name === "slice") return -(attrs as { start: readonly number[] }).start[0]!;
  return null;
}

/** The axis of each input that is cut with the node's leading one; null where that cannot be cut. */
function leadingAxes(node: Tensor, call: Call): Readonly<Partial<Record<string, number>>> | null {
  const { op, inputs: { x } } = call;
  if (op.kind === "gather" && KEEPS_ROWS[op.name]?.(call.attrs, x!, node)) return { x: 0 };
  return tableOf(node, call)[0] ?? null;
}

/** Ops that only rearrange, and whether they leave rows where they are. */
const KEEPS_ROWS: Record<string, (attrs: Attrs, x: Tensor, out: Tensor) => boolean> = {
  ...Object.fromEntries(
    ["slice", "pad", "every", "spread"].map((name) => [
      name,
      (_: Attrs, x: Tensor, out: Tensor) => x.shape[0] === out.shape[0],
    ]),
  ),
};
