/** Values of a generator's tensors, for tests that look at them. */
import type { HostTensor, StoredTensor } from "../../../models/generator/generator.ts";

export async function valuesOf(tensor: StoredTensor): Promise<HostTensor> {
  return { shape: tensor.shape, data: await tensor.read() };
}

export async function allValues(
  tensors: Iterable<readonly [string, StoredTensor]>,
): Promise<Map<string, HostTensor>> {
  const values = new Map<string, HostTensor>();
  for (const [name, tensor] of tensors) values.set(name, await valuesOf(tensor));
  return values;
}
