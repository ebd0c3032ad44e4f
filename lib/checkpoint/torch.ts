import type { Contents } from "./checkpoint.ts";
import { BYTES_PER_ELEMENT } from "./elements.ts";
import { flatten } from "./flatten.ts";
import { numpyEntries } from "./numpy_globals.ts";
import { unpickle } from "./pickle.ts";
import { PickleReader } from "./pickle_reader.ts";
import { type ByteRange, inMemory } from "./range_file.ts";
import { refuse } from "./refusal.ts";
import { torchEntries, torchGlobal, type TorchStorage, torchStorage } from "./torch_globals.ts";
import { checkContent, openEntry, readDirectory, readEntry, type ZipEntry } from "./zip.ts";

/** The pickle of a 1024x1024 generator with all its training state takes less than 1 MiB. */
const MAX_PICKLE_BYTES = 64 * 2 ** 20;

/**
 * Reads a zip archive of `torch.save` or of TorchScript: `NAME/data.pkl` describes the containers
 * and the tensors' views, `NAME/data/KEY` holds the elements of one storage.
 */
export async function readTorch(file: ByteRange): Promise<Contents> {
  const entries = await readDirectory(file);
  const root = findRoot(entries);

  const byteOrder = entries.get(`${root}byteorder`);
  if (byteOrder) {
    const order = new TextDecoder().decode(await readEntry(file, byteOrder, 16));
    if (order !== "little") refuse(`its numbers are stored ${order}-endian; save it anew on a PC`);
  }
  const pickle = await readEntry(file, entries.get(`${root}data.pkl`)!, MAX_PICKLE_BYTES);
  const context = { global: torchGlobal, persistent: torchStorage };
  const content = await unpickle(PickleReader.inMemory(pickle), context);

  const { extras, scalars } = flatten(content);
  const open = entryOpener(file);
  const tensors = torchEntries(extras, { isChecked: true }, (name, storage) => {
    const entry = storageEntry(entries, root, name, storage);
    return () => open(entry);
  });
  for (const [name, array] of numpyEntries(extras, inMemory(pickle))) tensors.set(name, array);
  return {
    format: entries.has(`${root}constants.pkl`) ? "torchscript" : "torch zip",
    tensors,
    metadata: {},
    values: scalars,
    modules: new Map(),
  };
}

/** The folder that all of the archive is in, with its "/". */
function findRoot(entries: Map<string, ZipEntry>): string {
  const roots = [...entries.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (roots.length === 1) return roots[0]!.slice(0, -"data.pkl".length);
  const some = [...entries.keys()].slice(0, 3).map((name) => `"${name.slice(0, 80)}"`).join(", ");
  refuse(
    `it is a zip archive with ${roots.length === 0 ? "no" : "several"} NAME/data.pkl ` +
      `(it begins with ${some || "nothing"}); nada reads those of torch.save and TorchScript`,
  );
}

/** Opens entries whose content is what their checksum says; it is compared once for each. */
function entryOpener(file: ByteRange): (entry: ZipEntry) => Promise<ByteRange> {
  const checks = new Map<ZipEntry, Promise<void>>();
  return async (entry) => {
    const content = await openEntry(file, entry);
    if (!checks.has(entry)) checks.set(entry, checkContent(content, entry));
    await checks.get(entry);
    return content;
  };
}

function storageEntry(
  entries: Map<string, ZipEntry>,
  root: string,
  name: string,
  storage: TorchStorage,
): ZipEntry {
  const entry = entries.get(`${root}data/${storage.key}`);
  if (!entry) {
    refuse(`the elements of "${name}" are missing: no entry "${root}data/${storage.key}"`);
  }
  const wanted = storage.count * BYTES_PER_ELEMENT[storage.dtype];
  if (entry.size < wanted) {
    refuse(`"${entry.name}" holds ${entry.size} bytes, "${name}" needs ${wanted}`);
  }
  return entry;
}
