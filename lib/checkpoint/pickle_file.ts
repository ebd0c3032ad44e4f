import type { Contents, TensorEntry } from "./checkpoint.ts";
import { flatten } from "./flatten.ts";
import { NETWORK_GLOBALS } from "./network_globals.ts";
import { numpyEntries } from "./numpy_globals.ts";
import { unpickle } from "./pickle.ts";
import { PickleReader } from "./pickle_reader.ts";
import { describe, functions, PickleBytes, type PickleValue } from "./pickle_values.ts";
import { type ByteRange, part } from "./range_file.ts";
import { refuse } from "./refusal.ts";
import { torchEntries, torchGlobal } from "./torch_globals.ts";
import { embeddedStorage } from "./torch_legacy.ts";

const GLOBALS = new Map<string, PickleValue>([
  ...NETWORK_GLOBALS,
  ...functions({ "torch.storage._load_from_bytes": ([bytes]) => loadFromBytes(bytes) }),
]);

/**
 * Reads a pickle that stands alone: networks, tensors and NumPy arrays in plain containers, as
 * NVIDIA's code for StyleGAN writes them. Their elements stay in the file until they are asked for.
 */
export async function readPickle(file: ByteRange): Promise<Contents> {
  const content = await unpickle(new PickleReader(file), {
    global: (module, name) => GLOBALS.get(`${module}.${name}`) ?? torchGlobal(module, name),
    persistent: (id) => refuse(`its pickle refers to ${describe(id)}, which is in no file`),
  });
  const { extras, scalars, modules } = flatten(content);
  const tensors = new Map<string, TensorEntry>([
    ...torchEntries(extras, { isChecked: false }, (name, { offset }) => {
      if (offset === null) refuse(`the elements of "${name}" are not in the file`);
      // What lies behind the storage is not touched: views were checked against its size.
      const elements = part(file, offset, file.size - offset);
      return () => Promise.resolve(elements);
    }),
    ...numpyEntries(extras, file),
  ]);
  return { format: "pickle", tensors, metadata: {}, values: scalars, modules };
}

function loadFromBytes(bytes: PickleValue | undefined): PickleValue {
  if (bytes instanceof PickleBytes) return embeddedStorage(bytes);
  refuse(`it has a storage in ${describe(bytes)}; bytes were expected`);
}
