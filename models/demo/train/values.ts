/** What training keeps from step to step, by name. */
import type { Shape } from "../../../lib/graph/tensor.ts";

/** Values on the host. */
export interface Values {
  readonly shape: Shape;
  readonly data: Float32Array<ArrayBuffer>;
}

/**
 * What is kept of each parameter: the weight, Adam's first and second moment, and the running mean
 * of the weight, which is what training is for.
 */
export const KINDS = ["weight", "first", "second", "mean"] as const;
export type Kind = typeof KINDS[number];

/** The name of a kept tensor: "weight/convs.0.conv.weight". */
export const keptName = (kind: Kind, parameter: string): string => `${kind}/${parameter}`;

/**
 * Training after `step` steps. Parameters that no step has trained yet have only a weight; the
 * other tensors then begin at zero, the mean at the weight.
 */
export interface TrainState {
  readonly step: number;
  readonly tensors: ReadonlyMap<string, Values>;
}

/** The state before the first step. */
export function startState(weights: ReadonlyMap<string, Values>): TrainState {
  const tensors = weights.entries().map(([name, values]) =>
    [keptName("weight", name), values] as const
  );
  return { step: 0, tensors: new Map(tensors) };
}

/** One tensor of each parameter, by the parameter's name. */
export function ofKind({ tensors }: TrainState, kind: Kind): Map<string, Values> {
  const prefix = keptName(kind, "");
  return new Map(
    tensors.entries().filter(([name]) => name.startsWith(prefix))
      .map(([name, values]) => [name.slice(prefix.length), values]),
  );
}
