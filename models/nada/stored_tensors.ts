/** The tensors of a generator that a delta may change. */
import type { GeneratorWeights } from "../generator/families.ts";
import type { HostTensor } from "../generator/generator.ts";

/** Parameters, what is fixed, and the mean w where there is one. */
export function storedTensors(weights: GeneratorWeights): Map<string, HostTensor> {
  const tensors = new Map([...weights.parameters, ...weights.fixed]);
  if (weights.latentAvg) tensors.set("latent_avg", weights.latentAvg);
  return tensors;
}

/** Those of `after` that differ from `before`. */
export function changedTensors(
  before: ReadonlyMap<string, HostTensor>,
  after: ReadonlyMap<string, HostTensor>,
): Map<string, HostTensor> {
  return new Map(
    after.entries().filter(([name, { data }]) => {
      const old = before.get(name)?.data;
      return old !== undefined && data.some((value, i) => value !== old[i]);
    }),
  );
}
