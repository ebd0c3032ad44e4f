/** Updates: what a program changes on the device, after everything that reads the old values. */
import type { HostTensor, Kernel, Sample } from "./op.ts";
import type { Attrs, Tensor } from "./tensor.ts";
import { type KernelText, parseKernel } from "./wgsl.ts";

export interface UpdateSpec<S extends string, I extends string, A extends Attrs> {
  readonly name: string;
  /** Names of the states, bound `read_write` by the kernel; the rest are inputs. */
  readonly states: readonly S[];
  readonly kernel: Kernel<S | I, A>;
  /** The new values of the states, in float64. */
  reference(values: Record<S | I, HostTensor>, attrs: A): Record<S, number[]>;
  readonly samples: Sample<S | I, NoInfer<A>>[];
  readonly text: KernelText;
}

// As for ops, only a loose type can name updates of every state, input and attribute type.
// deno-lint-ignore no-explicit-any
export type AnyUpdateSpec = UpdateSpec<any, any, any>;

/** One application of an update; its states are leaves made by `state()`. */
export interface Update {
  readonly spec: AnyUpdateSpec;
  readonly values: Readonly<Record<string, Tensor>>;
  readonly attrs: Attrs;
  /** Name by which a run can leave it out, together with all that only it needs. */
  readonly group: string | null;
}

export const updateRegistry: Map<string, AnyUpdateSpec> = new Map();

/** Defines an update: a function from states, inputs and a group to an `Update`. */
export function defineUpdate<S extends string, I extends string, A extends Attrs>(
  definition: Omit<UpdateSpec<S, I, A>, "text">,
): (values: Record<S | I, Tensor>, attrs: A, group?: string) => Update {
  const text = parseKernel(definition.kernel.name, definition.kernel.source);
  const spec = { ...definition, text };
  updateRegistry.set(spec.name, spec);
  return (values, attrs, group) => {
    for (const name of spec.states) {
      if (values[name].source.kind !== "state") {
        throw new TypeError(`Cannot update "${name}" by ${spec.name}: it is not a state`);
      }
    }
    return { spec, values, attrs, group: group ?? null };
  };
}
