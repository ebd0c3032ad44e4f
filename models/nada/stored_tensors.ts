/** The tensors of a generator that a delta may change. */
import { fixedNoiseValues } from "../stylegan2/noise.ts";
import type { GeneratorWeights, HostTensor } from "../stylegan2/weights.ts";

/** Parameters, noise, and the mean w where there is one. */
export function storedTensors(weights: GeneratorWeights): Map<string, HostTensor> {
  const tensors = new Map([...weights.parameters, ...fixedNoiseValues(weights)]);
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
