/**
 * What an op is. Four kinds share one calling form, `op({ x, … }, attrs)`:
 *
 * - `defineOp`: a WGSL kernel of its own (matmul, conv2d, sum, …);
 * - `defineElementwise`: a scalar expression, broadcast over its inputs;
 * - `defineGather`: each output element is an input element found by index arithmetic
 *   (transpose, slice, pad, concat, …);
 * - `defineComposite`: other ops, which ones depends on the adapter (attention, weight gradients).
 *
 * Elementwise and gather ops have no kernel: compilation writes their expressions into the kernels around them.
 * Shape rule, gradient, float64 meaning and test sizes stand with each op, and defining an op
 * registers it for the generic test.
 */
import type { AdapterKind, Limits } from "../gpu/device.ts";
import { type Attrs, broadcastShapes, type Dtype, type Shape, Tensor } from "./tensor.ts";
import { type KernelText, parseKernel } from "./wgsl.ts";

/** Values of a tensor in float64, for references. */
export interface HostTensor {
  readonly shape: Shape;
  readonly data: ArrayLike<number>;
}

/** Shapes and attributes that the generic test tries; inputs named in `fill` get given values. */
export interface Sample<I extends string, A> {
  readonly inputs: Record<I, Shape>;
  readonly attrs: A;
  /** Values for an input that cannot be random: ids, or a range where the op is smooth. */
  readonly fill?: Partial<Record<I, (index: number, random: () => number) => number>>;
}

/** One way to compute an op on the device. */
export interface Kernel<I extends string, A> {
  readonly name: string;
  /** WGSL text; its `struct Params` names the fields that `params` supplies. */
  readonly source: string;
  /** Whether this variant fits. */
  when?(adapter: AdapterKind, params: Record<string, number>, limits: Limits): boolean;
  /** What it is counted to cost; of those that fit, the cheapest is taken. 0 when left out. */
  cost?(params: Record<string, number>): number;
  params(inputs: Record<I, Tensor>, attrs: A, out: Tensor): Record<string, number>;
  /** Constants of the generated prelude. */
  readonly consts?: Record<string, number>;
  /** Workgroups along x, y, z. */
  grid(params: Record<string, number>): [number, number, number];
  /**
   * Buffers of which a call takes four elements at once (`load4_<name>`, `store4_<name>`): inputs only
   * where these `may` be, as they lie in memory. The text learns it from constants, NAME_AT_ONCE.
   */
  fours?(params: Record<string, number>, may: (input: I) => boolean): string[];
  /** True where it multiplies in f16: for large results in programs of that precision. */
  readonly half?: boolean;
  /** True where elements are loaded many times, so only a cheap expression may be fused in front. */
  readonly rereads?: boolean;
}

interface OpCommon<I extends string, A> {
  readonly name: string;
  /** Element type of the inputs that are not f32. */
  readonly dtypes?: Partial<Record<I, Dtype>>;
  /**
   * Cotangents of the inputs, given that of the output; null where there is none. They may be of
   * the broadcast shape or of one that broadcasts to the input's: `grad` sums or expands them.
   */
  vjp(
    gy: Tensor,
    values: Record<I, Tensor> & { out: Tensor },
    attrs: A,
  ): Record<I, Tensor | null>;
  readonly samples: Sample<I, NoInfer<A>>[];
}

export interface OpSpec<I extends string, A extends Attrs> extends OpCommon<I, A> {
  readonly kind: "kernel";
  shape(inputs: Record<I, Tensor>, attrs: A): Shape;
  /**
   * For each output axis along which it can be computed in blocks, the axis of each input that is
   * cut with it, into as many blocks; inputs that are not named are read whole. Attributes stay as
   * they are. Left out, and null, where it cannot be cut.
   */
  blocks?(inputs: Record<I, Tensor>, attrs: A): (Partial<Record<I, number>> | null)[];
  /** The axis of each input that is summed over: so cut, it gives results that are to be added. */
  addends?(inputs: Record<I, Tensor>, attrs: A): Record<I, number>;
  /** True for sums over so much that half precision would lose what they are asked for. */
  readonly precise?: boolean;
  /** Multiplications and additions for each element of the output; 1 when left out. */
  operations?(inputs: Record<I, Tensor>, attrs: A): number;
  readonly kernels: Kernel<I, A>[];
  reference(inputs: Record<I, HostTensor>, attrs: A): ArrayLike<number>;
  /** The kernels' texts, parsed and checked once. */
  readonly texts: KernelText[];
}

export interface ElementwiseSpec<I extends string, A extends Attrs> extends OpCommon<I, A> {
  readonly kind: "elementwise";
  readonly inputs: readonly I[];
  shape(inputs: Record<I, Tensor>, attrs: A): Shape;
  /** True for a few plain instructions: may be recomputed at each load instead of stored. */
  readonly cheap?: boolean;
  /** WGSL expression of the values' names. */
  expression(values: Record<I, string>, attrs: A): string;
  /** The same for one element, in float64. */
  scalar(values: Record<I, number>, attrs: A): number;
}

export interface GatherSpec<I extends string, A extends Attrs> extends OpCommon<I, A> {
  readonly kind: "gather";
  shape(inputs: Record<I, Tensor>, attrs: A): Shape;
  /** As for an op with kernels. */
  blocks?(inputs: Record<I, Tensor>, attrs: A): (Partial<Record<I, number>> | null)[];
  /**
   * Body of `fn(i: u32) -> f32`: the value at flat output index `i`, with `at(name, index)` for the
   * element of an input.
   */
  body(
    at: (name: I, index: string) => string,
    inputs: Record<I, Tensor>,
    attrs: A,
    out: Tensor,
  ): string;
  reference(inputs: Record<I, HostTensor>, attrs: A): ArrayLike<number>;
}

export interface CompositeSpec<I extends string, A extends Attrs> extends OpCommon<I, A> {
  readonly kind: "composite";
  shape(inputs: Record<I, Tensor>, attrs: A): Shape;
  /** As for an op with kernels. */
  blocks?(inputs: Record<I, Tensor>, attrs: A): (Partial<Record<I, number>> | null)[];
  /** The same in other ops, those that suit the adapter. */
  compose(inputs: Record<I, Tensor>, attrs: A, adapter: AdapterKind): Tensor;
  reference(inputs: Record<I, HostTensor>, attrs: A): ArrayLike<number>;
}

export type Spec<I extends string, A extends Attrs> =
  | OpSpec<I, A>
  | CompositeSpec<I, A>
  | ElementwiseSpec<I, A>
  | GatherSpec<I, A>;

// The registry holds ops of every input and attribute type, which only a loose type can name.
// deno-lint-ignore no-explicit-any
export type AnyOp = Spec<any, any>;

/** A function from tensors to a tensor that also carries its definition. */
export interface Op<I extends string, A extends Attrs> {
  (inputs: Record<I, Tensor>, attrs: A): Tensor;
  readonly spec: Spec<I, A>;
}

/** Every op that was defined, for the generic test. */
export const registry: Map<string, AnyOp> = new Map();

function callable<I extends string, A extends Attrs>(spec: Spec<I, A>): Op<I, A> {
  if (registry.has(spec.name)) throw new Error(`Cannot define op "${spec.name}" twice`);
  registry.set(spec.name, spec);
  const call = (inputs: Record<I, Tensor>, attrs: A) => {
    for (const name in inputs) {
      const wanted = spec.dtypes?.[name] ?? "f32";
      if (inputs[name].dtype !== wanted) {
        throw new TypeError(
          `Cannot give ${inputs[name].dtype} values to ${spec.name}: "${name}" must be ${wanted}`,
        );
      }
    }
    return new Tensor(spec.shape(inputs, attrs), "f32", { kind: "op", op: spec, inputs, attrs });
  };
  return Object.assign(call, { spec });
}

/** Defines an op with kernels of its own. */
export function defineOp<I extends string, A extends Attrs>(
  spec: Omit<OpSpec<I, A>, "kind" | "texts">,
): Op<I, A> {
  const texts = spec.kernels.map((kernel) => parseKernel(kernel.name, kernel.source));
  return callable({ ...spec, kind: "kernel", texts });
}

/** Defines an elementwise op; shapes broadcast. */
export function defineElementwise<I extends string, A extends Attrs>(
  spec: Omit<ElementwiseSpec<I, A>, "kind" | "shape">,
): Op<I, A> {
  const shape = (inputs: Record<I, Tensor>) =>
    broadcastShapes(spec.inputs.map((name) => inputs[name].shape), spec.name);
  return callable({ ...spec, shape, kind: "elementwise" });
}

/** Defines an op that rearranges elements. */
export function defineGather<I extends string, A extends Attrs>(
  spec: Omit<GatherSpec<I, A>, "kind">,
): Op<I, A> {
  return callable({ ...spec, kind: "gather" });
}

/** Defines an op that planning replaces by others. */
export function defineComposite<I extends string, A extends Attrs>(
  spec: Omit<CompositeSpec<I, A>, "kind">,
): Op<I, A> {
  return callable({ ...spec, kind: "composite" });
}
