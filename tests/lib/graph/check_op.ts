/** The generic test of an op: its kernels against its float64 meaning, its gradient by differences. */
import assert from "node:assert/strict";
import type { Gpu } from "../../../lib/gpu/device.ts";
import { kernelFor } from "../../../lib/graph/codegen.ts";
import { PER_ELEMENT, perElement } from "../../../lib/graph/ops/launch.ts";
import { fitCotangent } from "../../../lib/graph/ops/reduce.ts";
import { broadcastStrides } from "../../../lib/graph/ops/shape.ts";
import { DeviceTensor } from "../../../lib/graph/device_tensor.ts";
import {
  type AnyOp,
  defineOp,
  type HostTensor,
  type Op,
  type Sample,
} from "../../../lib/graph/op.ts";
import type { Precision } from "../../../lib/graph/precision.ts";
import { Program } from "../../../lib/graph/program.ts";
import type { AnyUpdateSpec, Update } from "../../../lib/graph/update.ts";
import {
  type HostArray,
  input,
  numel,
  type Shape,
  state as stateLeaf,
  stridesOf,
  Tensor,
} from "../../../lib/graph/tensor.ts";
import { assertClose } from "../../assert.ts";
import { evaluate, normals, seededRandom, testGpu } from "../../gpu.ts";

const TOLERANCE = {
  // 2^-23 rounding over sums of a few thousand terms of mixed sign, transcendental functions of a
  // few units in the last place.
  f32: 5e-6,
  // 2^-11 rounding of what is stored: the inputs are rounded beforehand, the output, and in gradients
  // what lies between, is not.
  f16: 2e-3,
};

/** A copy of `x` that nothing is fused to, so that it is stored, and in f16 as f16. */
const stored: Op<"x", Record<never, never>> = defineOp({
  name: "stored",
  shape: ({ x }) => x.shape,
  kernels: [{
    name: "stored",
    source: `
struct Params { count: u32 }
@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform>             p: Params;
@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.y * ROW + id.x;
  if (i < p.count) { out[i] = x[i]; }
}`,
    params: ({ x }) => ({ count: numel(x.shape) }),
    consts: PER_ELEMENT,
    grid: perElement,
  }],
  reference: ({ x }) => x.data,
  vjp: (gy) => ({ x: gy }),
  samples: [],
});

type AnySample = Sample<string, object>;

/**
 * Registers the tests of one op: every sample, forward and gradient, with its tensors stored in f32
 * and, where the adapter has it, in f16. Ops that have no kernel for this
 * kind of adapter, as planning never asks for them there, are left to NADA_KERNELS.
 */
export function checkOp(op: AnyOp, { kind, limits }: Pick<Gpu, "kind" | "limits">): void {
  op.samples.forEach((sample: AnySample, i: number) => {
    const shapes = Object.values(sample.inputs).map((shape) => `[${shape}]`).join(" ");
    const ignore = op.kind === "kernel" && kernelFor(call(op, sample), kind, limits) === null;
    const name =
      `${op.name}() equals its reference and its gradient the difference on ${shapes} #${i}`;
    Deno.test({ name, ignore, fn: () => checkSample(op, sample, 1 + i, "f32") });
    Deno.test({
      name: `${name}, in f16`,
      ignore: ignore || !limits.halves,
      fn: () => checkSample(op, sample, 1 + i, "f16"),
    });
  });
}

/** The op on leaves of the sample's shapes. */
function call(op: AnyOp, { inputs, attrs }: AnySample): Tensor {
  const leaves = Object.fromEntries(
    Object.entries(inputs).map(([name, shape]) => [
      name,
      input(name, shape, op.dtypes?.[name] ?? "f32"),
    ]),
  );
  return new Tensor(op.shape(leaves, attrs), "f32", { kind: "op", op, inputs: leaves, attrs });
}

async function checkSample(
  op: AnyOp,
  sample: AnySample,
  seed: number,
  precision: Precision,
): Promise<void> {
  const tolerance = TOLERANCE[precision];
  const random = seededRandom(seed);
  const asStored = (x: Tensor) => precision === "f16" && x.dtype === "f32" ? stored({ x }, {}) : x;
  const rounded = (values: Iterable<number>) =>
    Float32Array.from(precision === "f16" ? Float16Array.from(values) : values);
  const leaves: Record<string, Tensor> = {};
  const host: Record<string, { shape: Shape; data: HostArray }> = {};
  for (const [name, shape] of Object.entries(sample.inputs)) {
    const dtype = op.dtypes?.[name] ?? "f32";
    const fill = sample.fill?.[name];
    const values = fill
      ? Array.from({ length: numel(shape) }, (_, i) => fill(i, random))
      : normals(numel(shape), random);
    const data = dtype === "u32" ? Uint32Array.from(values) : rounded(values);
    leaves[name] = asStored(input(name, shape, dtype));
    host[name] = { shape, data };
  }
  const out = new Tensor(op.shape(leaves, sample.attrs), "f32", {
    kind: "op",
    op,
    inputs: leaves,
    attrs: sample.attrs,
  });
  const g = rounded(normals(numel(out.shape), random));
  const gy = asStored(input("cotangent", out.shape));
  const grads = op.vjp(gy, { ...leaves, out }, sample.attrs) as Record<string, Tensor | null>;
  const outputs: Record<string, Tensor> = { out: asStored(out) };
  for (const [name, grad] of Object.entries(grads)) {
    if (grad) outputs[`grad ${name}`] = asStored(fitCotangent(grad, leaves[name]!.shape));
  }
  const feeds = Object.fromEntries(Object.entries(host).map(([name, { data }]) => [name, data]));
  const actual = await evaluate(outputs, { ...feeds, cotangent: g }, {}, {
    precision,
    halvedFrom: 1,
  });
  assertClose(actual.out!, reference(op, host, sample.attrs, out.shape), tolerance, op.name);

  for (const [name, grad] of Object.entries(grads)) {
    if (!grad) continue;
    const v = normals(numel(sample.inputs[name]!), random);
    const step = 1e-4;
    const along = (h: number) => {
      const data = Float64Array.from(host[name]!.data, (x, i) => x + h * v[i]!);
      const moved = { ...host, [name]: { shape: sample.inputs[name]!, data } };
      return reference(op, moved, sample.attrs, out.shape);
    };
    const [ahead, behind] = [along(step), along(-step)];
    const terms = Array.from(g, (value, i) => value * (ahead[i]! - behind[i]!) / (2 * step));
    const numeric = terms.reduce((sum, term) => sum + term, 0);
    // In f16 what a sum is of has been rounded, each term by itself.
    const rounding = precision === "f16" ? tolerance * Math.sqrt(dot(terms, terms)) : 0;
    const gx = actual[`grad ${name}`]!;
    assert(gx.every(Number.isFinite), `gradient of ${op.name} for "${name}" is not finite`);
    const error = Math.abs(dot(v, gx) - numeric);
    const scale = Math.sqrt(dot(v, v) * dot(gx, gx));
    assert(
      error <= 5 * tolerance * scale + rounding + 1e-6 * Math.abs(numeric),
      `gradient of ${op.name} for "${name}": ${dot(v, gx)}, the difference quotient is ${numeric}`,
    );
  }
}

/** The op's meaning in float64; for elementwise ops the scalar function, broadcast. */
function reference(
  op: AnyOp,
  host: Record<string, HostTensor>,
  attrs: object,
  shape: Shape,
): ArrayLike<number> {
  if (op.kind !== "elementwise") return op.reference(host, attrs);
  const outStrides = stridesOf(shape);
  return Float64Array.from({ length: numel(shape) }, (_, i) => {
    const values = Object.entries(host).map(([name, { shape: from, data }]) => {
      const strides = broadcastStrides(from, shape);
      const at = shape.reduce(
        (sum, size, axis) => sum + (Math.floor(i / outStrides[axis]!) % size) * strides[axis]!,
        0,
      );
      return [name, data[at]!];
    });
    return op.scalar(Object.fromEntries(values), attrs);
  });
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** Registers the tests of an update: the new states against their float64 meaning. */
export function checkUpdate(spec: AnyUpdateSpec): void {
  spec.samples.forEach((sample: AnySample, i: number) => {
    Deno.test(`${spec.name}() leaves its states as its reference says #${i}`, async () => {
      const gpu = await testGpu();
      const random = seededRandom(1 + i);
      const host: Record<string, HostTensor & { data: HostArray }> = {};
      const values: Record<string, Tensor> = {};
      const state: Record<string, DeviceTensor> = {};
      for (const [name, shape] of Object.entries(sample.inputs)) {
        const fill = sample.fill?.[name];
        const data = fill
          ? Float32Array.from({ length: numel(shape) }, (_, k) => fill(k, random))
          : normals(numel(shape), random);
        host[name] = { shape, data };
        const isState = spec.states.includes(name);
        values[name] = isState ? stateLeaf(name, shape) : input(name, shape);
        if (isState) state[name] = new DeviceTensor(gpu, shape, name, data);
      }
      const update: Update = { spec, values, attrs: sample.attrs, group: null };
      const program = await Program.compile(gpu, { updates: [update], state });
      program.poison();
      const feeds = Object.entries(host).map(([name, { data }]) => [name, data]);
      await program.run(Object.fromEntries(feeds));
      const expected = spec.reference(host, sample.attrs);
      for (const [name, tensor] of Object.entries(state)) {
        assertClose(await tensor.read(), expected[name]!, TOLERANCE.f32, `${spec.name} ${name}`);
        tensor.dispose();
      }
      program.dispose();
    });
  });
}
