/** The tensors of a generator that a delta may change. */
import type { GeneratorWeights } from "../generator/families.ts";
import type { HostTensor, StoredTensor } from "../generator/generator.ts";

/** Parameters, what is fixed, and the mean w where there is one. */
export function storedTensors(weights: GeneratorWeights): Map<string, StoredTensor> {
  const tensors = new Map([...weights.parameters, ...weights.fixed]);
  if (weights.latentAvg) tensors.set("latent_avg", weights.latentAvg);
  return tensors;
}

/** Those of `after` that differ from `before`. Tensors that are the same object are not read. */
export async function changedTensors(
  before: ReadonlyMap<string, StoredTensor>,
  after: ReadonlyMap<string, StoredTensor>,
): Promise<Map<string, HostTensor>> {
  const changed = new Map<string, HostTensor>();
  for (const [name, tensor] of after) {
    const from = before.get(name);
    if (from === undefined || from === tensor) continue;
    const [old, data] = [await from.read(), await tensor.read()];
    if (data.some((value, i) => value !== old[i])) changed.set(name, { shape: tensor.shape, data });
  }
  return changed;
}
