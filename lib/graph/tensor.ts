/** A symbolic tensor: what it is made from, never its values. Building a graph touches no GPU. */
import { ShapeError } from "../errors.ts";
import type { AnyOp } from "./op.ts";

export type Shape = readonly number[];

/** Element types: numbers are `f32`; ids, counters and tables of indices are `u32`. */
export type Dtype = "f32" | "u32";

/** Values on the host, in the element type of the tensor they belong to. */
export type HostArray = Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** Attributes of an op: plain data, so that equal calls can be recognised as equal. */
export type Attrs = object;

export type Source =
  | { readonly kind: "input"; readonly name: string }
  | { readonly kind: "state"; readonly name: string }
  | { readonly kind: "constant"; readonly data: HostArray }
  | {
    readonly kind: "op";
    readonly op: AnyOp;
    readonly inputs: Readonly<Record<string, Tensor>>;
    readonly attrs: Attrs;
  };

let nextId = 0;

/** An immutable node of the graph. A node's inputs always have smaller ids than the node. */
export class Tensor {
  readonly id: number = nextId++;

  constructor(readonly shape: Shape, readonly dtype: Dtype, readonly source: Source) {
    for (const size of shape) {
      if (!Number.isInteger(size) || size < 1) {
        throw new ShapeError(`Cannot make a tensor of shape [${shape}]: sizes must be 1 or more`);
      }
    }
  }

  get rank(): number {
    return this.shape.length;
  }
}

/** A value given anew for each run of a program. */
export function input(name: string, shape: Shape, dtype: Dtype = "f32"): Tensor {
  return new Tensor(shape, dtype, { kind: "input", name });
}

/** A value that stays on the device between runs, such as a weight; programs may update it. */
export function state(name: string, shape: Shape, dtype: Dtype = "f32"): Tensor {
  return new Tensor(shape, dtype, { kind: "state", name });
}

/** Fixed values, uploaded once when a program is compiled. A number makes a scalar. */
export function constant(data: HostArray | number, shape: Shape = []): Tensor {
  const host = typeof data === "number" ? Float32Array.of(data) : data;
  if (host.length !== numel(shape)) {
    throw new ShapeError(
      `Cannot shape ${host.length} values as [${shape}]: ${numel(shape)} needed`,
    );
  }
  const dtype = host instanceof Uint32Array ? "u32" : "f32";
  return new Tensor(shape, dtype, { kind: "constant", data: host });
}

/** Number of elements; 1 for a scalar, whose shape is `[]`. */
export function numel(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/** Shape of an elementwise result: sizes are aligned at the right and 1 stretches, as in NumPy. */
export function broadcastShapes(shapes: Shape[], what: string): Shape {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  const out = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    shape.forEach((size, axis) => {
      const at = rank - shape.length + axis;
      if (size !== 1 && out[at] !== 1 && out[at] !== size) {
        const all = shapes.map((s) => `[${s}]`).join(" and ");
        throw new ShapeError(`Cannot ${what} ${all}: the shapes do not broadcast`);
      }
      if (size !== 1) out[at] = size;
    });
  }
  return out;
}

type Letters<Pattern extends string> = Pattern extends `${infer Head} ${infer Tail}`
  ? Letters<Head> | Letters<Tail>
  : Pattern extends `...${infer Rest}` ? Rest
  : Pattern;

/**
 * Names the sizes of a tensor and checks its rank: `dims(x, "n c ...hw")` on `[2, 3, 5, 7]` gives
 * `{ n: 2, c: 3, hw: 35 }`. A name after `...`, only at an end, takes the product of what is left.
 */
export function dims<const Pattern extends string>(
  x: { shape: Shape },
  pattern: Pattern,
): Record<Letters<Pattern>, number> {
  const names = pattern.split(" ");
  const rest = names.findIndex((name) => name.startsWith("..."));
  const fixed = rest < 0 ? names.length : names.length - 1;
  if (rest < 0 ? x.shape.length !== fixed : x.shape.length < fixed) {
    throw new ShapeError(`Cannot read a tensor of shape [${x.shape}] as "${pattern}"`);
  }
  const spare = x.shape.length - fixed;
  const sizes: Record<string, number> = {};
  let axis = 0;
  for (const name of names) {
    const take = name.startsWith("...") ? spare : 1;
    sizes[name.replace("...", "")] = numel(x.shape.slice(axis, axis + take));
    axis += take;
  }
  return sizes as Record<Letters<Pattern>, number>;
}
