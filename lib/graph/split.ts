/**
 * Cuts what is larger than one binding may be: the tensors of a graph that an adapter cannot bind
 * become several, and the ops around them run once for each. Cuts are along leading axes first, by
 * sample and then by channel, so a few large launches become a few more that are still large.
 */
import type { AnyOp } from "./op.ts";
import { add } from "./ops/elementwise.ts";
import { concat, expand, reshape, slice } from "./ops/shape.ts";
import { behind, mapRoots, mapValues, type Roots, rootsOf } from "./roots.ts";
import { type Attrs, numel, type Shape, Tensor } from "./tensor.ts";

/** A tensor in blocks of one size; the blocks are in row-major order. */
interface Pieces {
  readonly shape: Shape;
  /** How many blocks lie along each axis. */
  readonly cuts: readonly number[];
  readonly blocks: readonly Tensor[];
}

type Value = Tensor | Pieces;

export type Call = { op: AnyOp; inputs: Readonly<Record<string, Tensor>>; attrs: Attrs };

/**
 * For each output axis, the axis of each input that is cut with it; null where none can be cut. One
 * more entry is for what is summed over.
 */
export type Table = readonly (Readonly<Partial<Record<string, number>>> | null)[];

const bytesOf = (shape: Shape) => 4 * numel(shape);

/**
 * The same program with no tensor above `limitBytes`, as far as its ops can be cut; what it gives
 * out has to fit as it is.
 */
export function splitLarge(roots: Roots, limitBytes: number): Roots {
  const given = rootsOf(roots);
  const nodes = behind(given);
  if (nodes.every(({ shape }) => bytesOf(shape) <= limitBytes)) return roots;

  const values = new Map<Tensor, Value>();
  const wholes = new Map<Tensor, Tensor>();
  const whole = (node: Tensor): Tensor => {
    const known = wholes.get(node);
    if (known) return known;
    const made = block(values.get(node)!, node.shape.map(() => 0), node.shape);
    wholes.set(node, made);
    return made;
  };
  for (const node of nodes) {
    const { source } = node;
    if (source.kind !== "op") {
      values.set(node, node);
      continue;
    }
    const call = throughReshapes(source);
    const tooLarge = given.has(node) && bytesOf(node.shape) > limitBytes;
    const cuts = tooLarge ? null : cutsOf(node, call, values, limitBytes);
    if (cuts) {
      values.set(node, inBlocks(node, call, cuts, values));
      continue;
    }
    const inputs = mapValues(source.inputs, whole);
    values.set(node, new Tensor(node.shape, node.dtype, { ...source, inputs }));
  }
  return mapRoots(roots, whole);
}

/** A reshape of a reshape as one. */
function throughReshapes(call: Call): Call {
  const before = call.op.name === "reshape" ? call.inputs.x!.source : null;
  return before?.kind === "op" && before.op === call.op
    ? throughReshapes({ ...call, inputs: before.inputs })
    : call;
}

/** Into how many blocks to cut each entry of a node's table; null to leave it whole. */
function cutsOf(
  node: Tensor,
  call: Call,
  values: ReadonlyMap<Tensor, Value>,
  limitBytes: number,
): number[] | null {
  const inputs = Object.entries(call.inputs);
  // What follows elementwise is cut as what it follows, and can then be fused to it.
  if (call.op.kind === "elementwise") {
    for (const [, input] of inputs) {
      const value = values.get(input)!;
      if (!(value instanceof Tensor) && value.shape.join() === node.shape.join()) {
        return [...value.cuts, 1];
      }
    }
  }
  if ([node, ...Object.values(call.inputs)].every(({ shape }) => bytesOf(shape) <= limitBytes)) {
    return null;
  }
  const table = tableOf(node, call);
  const cuts = table.map(() => 1);
  const sizeOf = (shape: Shape, isCut: (axis: number) => boolean) =>
    bytesOf(shape) / numel(cuts.filter((_, axis) => isCut(axis)));
  /** Bytes by which the blocks are too large. */
  const excess = () =>
    [
      sizeOf(node.shape, (axis) => axis < node.rank),
      ...inputs.map(([name, { shape }]) =>
        sizeOf(shape, (axis) => table[axis]?.[name] !== undefined)
      ),
    ].reduce((sum, bytes) => sum + Math.max(0, bytes - limitBytes), 0);
  for (const [axis, axes] of table.entries()) {
    if (!axes) continue;
    const sizes = [
      ...node.shape.slice(axis, axis + 1),
      ...inputs.flatMap(([name, { shape }]) =>
        axes[name] === undefined ? [] : [shape[axes[name]]!]
      ),
    ];
    // As few blocks as fit, or else as few as help most.
    let [fewest, least] = [1, excess()];
    for (let k = 2; k <= Math.min(...sizes) && least > 0; k++) {
      if (sizes.some((size) => size % k !== 0)) continue;
      cuts[axis] = k;
      const rest = excess();
      if (rest < least) [fewest, least] = [k, rest];
    }
    cuts[axis] = fewest;
  }
  return cuts.some((k) => k > 1) && excess() === 0 ? cuts : null;
}

/** Along which axes a call can be cut. */
export function tableOf(node: Tensor, { op, inputs, attrs }: Call): Table {
  if (op.name === "reshape") return [...reshapeTable(inputs.x!.shape, node.shape), null];
  if (op.kind !== "elementwise" && op.name !== "expand") {
    const blocks = op.blocks?.(inputs, attrs);
    const addends = op.kind === "kernel" ? op.addends?.(inputs, attrs) : null;
    return [...node.shape.map((_, axis) => blocks?.[axis] ?? null), addends ?? null];
  }
  const aligned = node.shape.map((size, axis) =>
    Object.fromEntries(
      Object.entries(inputs)
        .map(([name, { shape }]): [string, number] => [name, axis - node.rank + shape.length])
        .filter(([name, at]) => at >= 0 && inputs[name]!.shape[at] === size),
    )
  );
  return [...aligned, null];
}

/** Axes behind equally many elements hold the same elements when they are cut alike. */
function reshapeTable(from: Shape, to: Shape): Table {
  return to.map((_, axis) => {
    const before = numel(to.slice(0, axis));
    const at = from.findIndex((size, k) => size > 1 && numel(from.slice(0, k)) === before);
    return at < 0 ? null : { x: at };
  });
}

/** Computes a node in blocks. */
function inBlocks(
  node: Tensor,
  call: Call,
  allCuts: readonly number[],
  values: ReadonlyMap<Tensor, Value>,
): Pieces {
  const table = tableOf(node, call);
  const cuts = allCuts.slice(0, node.rank);
  const addends = allCuts[node.rank]!;
  const shape = node.shape.map((size, axis) => size / cuts[axis]!);
  const compute = (at: readonly number[]) => {
    const inputs = Object.fromEntries(
      Object.entries(call.inputs).map(([name, input]) => {
        const start = input.shape.map(() => 0);
        const size = [...input.shape];
        table.forEach((axes, axis) => {
          const along = axes?.[name];
          if (along === undefined) return;
          size[along] = input.shape[along]! / allCuts[axis]!;
          start[along] = at[axis]! * size[along]!;
        });
        return [name, block(values.get(input)!, start, size)];
      }),
    );
    if (call.op.name === "reshape") return reshape(inputs.x!, shape);
    if (call.op.name === "expand") return expand(inputs.x!, shape);
    return new Tensor(shape, node.dtype, { ...call, kind: "op", inputs });
  };
  const blocks = Array.from({ length: numel(cuts) }, (_, i) => {
    const at = coordinates(i, cuts);
    return Array.from({ length: addends }, (_, k) => compute([...at, k])).reduce(add);
  });
  return { shape: node.shape, cuts, blocks };
}

/** Row-major coordinates of number `i`. */
function coordinates(i: number, sizes: readonly number[]): number[] {
  return sizes.map((size, axis) => Math.floor(i / numel(sizes.slice(axis + 1))) % size);
}

/** The block of a value that begins at `start` and has shape `size`. */
function block(value: Value, start: readonly number[], size: Shape): Tensor {
  if (value instanceof Tensor) return slice(value, start, size);
  const { shape, cuts, blocks } = value;
  const each = shape.map((whole, axis) => whole / cuts[axis]!);
  /** What lies in the blocks with these first coordinates, joined along the other axes. */
  const join = (first: readonly number[]): Tensor => {
    const axis = first.length;
    if (axis === shape.length) {
      const piece = blocks[first.reduce((i, at, k) => i * cuts[k]! + at, 0)]!;
      const from = first.map((at, k) => Math.max(start[k]! - at * each[k]!, 0));
      const to = first.map((at, k) => Math.min(start[k]! + size[k]! - at * each[k]!, each[k]!));
      return slice(piece, from, to.map((end, k) => end - from[k]!));
    }
    const begin = Math.floor(start[axis]! / each[axis]!);
    const end = Math.ceil((start[axis]! + size[axis]!) / each[axis]!);
    const parts = Array.from({ length: end - begin }, (_, i) => join([...first, begin + i]));
    return parts.length === 1 ? parts[0]! : concat(parts, axis);
  };
  return join([]);
}
