/** Gradients of a whole generator against those of a fixture. */
import { vjp } from "../../../lib/graph/grad.ts";
import { constant, type Tensor } from "../../../lib/graph/tensor.ts";
import type { DeviceGenerator } from "../../../models/generator/device.ts";
import type { Parameters } from "../../../models/generator/generator.ts";
import { assertClose } from "../../assert.ts";
import type { fixture } from "../../fixtures.ts";
import { evaluate } from "../../gpu.ts";

interface Graph {
  /** An input, and what is drawn from it. */
  readonly latent: Tensor;
  readonly image: Tensor;
  readonly parameters: Parameters;
}

/**
 * Compares the gradients of Σ image * cotangent that `expected` has: that of the latent as
 * "<prefix>_input", those of parameters as "<prefix>.<name>". Returns how many parameters these are.
 */
export async function assertGradients(
  { latent, image, parameters }: Graph,
  { values, tensors }: {
    /** Of the latent. */
    readonly values: Float32Array<ArrayBuffer>;
    readonly tensors: DeviceGenerator["tensors"];
  },
  expected: Awaited<ReturnType<typeof fixture>>,
  prefix: string,
  tolerance: (name: string) => number,
): Promise<number> {
  const names = Object.keys(expected).filter((name) => name.startsWith(`${prefix}.`));
  const wrt = names.map((name) => parameters[name.slice(prefix.length + 1)]!);
  const cotangent = constant(expected.cotangent!.data, image.shape);
  const [toLatent, ...toParameters] = vjp(image, cotangent, [latent, ...wrt]);
  const outputs = Object.fromEntries(names.map((name, i) => [name, toParameters[i]!]));
  const source = latent.source as { name: string };
  const actual = await evaluate(
    { ...outputs, [`${prefix}_input`]: toLatent! },
    { [source.name]: values },
    tensors,
  );
  for (const [name, gradient] of Object.entries(actual)) {
    const error = assertClose(gradient, expected[name]!.data, tolerance(name), name);
    console.log(`${name}: ${error.toExponential(1)}`);
  }
  return names.length;
}
