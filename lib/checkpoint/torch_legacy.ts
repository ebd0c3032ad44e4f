/**
 * The form that `torch.save` had before PyTorch 1.6, and that tensors within other pickles still
 * have: five pickles one after the other (a magic number, a version, the machine, the content, the
 * order of the storages), then for each storage how many elements it has, and the elements.
 */
import type { Contents } from "./checkpoint.ts";
import { BYTES_PER_ELEMENT, elementCount } from "./elements.ts";
import { flatten } from "./flatten.ts";
import { numpyEntries } from "./numpy_globals.ts";
import { type PickleContext, unpickle, unpickleNow } from "./pickle.ts";
import { PickleReader } from "./pickle_reader.ts";
import { describe, items, type PickleBytes, type PickleValue } from "./pickle_values.ts";
import { type ByteRange, part, readBytes } from "./range_file.ts";
import { refuse } from "./refusal.ts";
import { torchEntries, torchGlobal, TorchStorage, torchStorage } from "./torch_globals.ts";

const MAGIC = 119547037146038801333356n;
const VERSION = 1001;
/** The number of elements in front of those of each storage. */
const COUNT_BYTES = 8;

/** What the pickles at the beginning say. */
interface Preamble {
  content: PickleValue;
  /** Keys of the storages in the order in which their elements follow. */
  order: string[];
  storages: Map<string, TorchStorage>;
}

/** Reads a file of this form. */
export async function readLegacyTorch(file: ByteRange): Promise<Contents> {
  const input = new PickleReader(file);
  const pickles = readPreamble();
  let step = pickles.next();
  while (!step.done) step = pickles.next(await unpickle(input, step.value));
  const { content, order, storages } = step.value;
  const offsets = await findStorages(file, input.position, order, storages);

  const { extras, scalars } = flatten(content);
  const tensors = torchEntries(extras, { isChecked: false }, (name, storage) => {
    const offset = offsets.get(storage.key);
    if (offset === undefined) refuse(`the elements of "${name}" are missing from its storages`);
    const elements = part(file, offset, sizeOf(storage));
    return () => Promise.resolve(elements);
  });
  for (const [name, array] of numpyEntries(extras, file)) tensors.set(name, array);
  return { format: "torch legacy", tensors, metadata: {}, values: scalars, modules: new Map() };
}

/** The one storage in a run of bytes of this form, of which only the header has to be in memory. */
export function embeddedStorage({ head, size, offset }: PickleBytes): TorchStorage {
  const input = PickleReader.inMemory(head);
  const pickles = readPreamble();
  let step = pickles.next();
  while (!step.done) step = pickles.next(unpickleNow(input, step.value));
  const { content: storage, order } = step.value;
  if (!(storage instanceof TorchStorage) || order.length !== 1 || order[0] !== storage.key) {
    refuse(`it has ${describe(storage)} saved within it where a single storage belongs`);
  }
  checkCount(new DataView(input.take(COUNT_BYTES).slice().buffer), storage);
  const start = input.position;
  if (offset === null) {
    refuse("it has tensors saved as text; save it with pickle protocol 3 or newer");
  }
  if (sizeOf(storage) !== size - start) {
    refuse(`it has a storage of ${sizeOf(storage)} bytes saved in ${size - start}`);
  }
  return new TorchStorage(storage.dtype, storage.key, storage.count, offset + start);
}

/** Asks for the pickles in turn, giving what the names in each mean. */
function* readPreamble(): Generator<PickleContext, Preamble, PickleValue> {
  const magic = yield PLAIN;
  if (magic !== MAGIC) refuse(`it begins with ${describe(magic)}, not with PyTorch's magic number`);
  const version = yield PLAIN;
  if (version !== VERSION) {
    refuse(`it is of PyTorch's version ${describe(version)}, not ${VERSION}`);
  }
  const machine = yield PLAIN;
  if (!(machine instanceof Map) || machine.get("little_endian") !== true) {
    refuse("its numbers are stored big-endian; save it anew on a PC");
  }
  const storages = new Map<string, TorchStorage>();
  const content = yield {
    global: torchGlobal,
    persistent(id) {
      const storage = torchStorage(id);
      const known = storages.get(storage.key) ?? storage;
      if (known.dtype !== storage.dtype || known.count !== storage.count) {
        refuse(`its pickle has two accounts of storage "${storage.key}"`);
      }
      storages.set(storage.key, known);
      return known;
    },
  };
  const order = items(yield PLAIN).map((key) => {
    if (typeof key === "string") return key;
    refuse(`its list of storages has ${describe(key)} in it`);
  });
  return { content, order, storages };
}

/** Only containers and numbers. */
const PLAIN: PickleContext = {
  global: () => undefined,
  persistent: () => refuse("its pickle refers to a storage in the wrong place"),
};

/** Where the elements of each storage begin. They have to fill the rest of the file. */
async function findStorages(
  file: ByteRange,
  start: number,
  order: readonly string[],
  storages: ReadonlyMap<string, TorchStorage>,
): Promise<Map<string, number>> {
  const offsets = new Map<string, number>();
  let at = start;
  for (const key of order) {
    const storage = storages.get(key) ?? refuse(`its storage "${key}" belongs to no tensor`);
    if (offsets.has(key)) refuse(`it lists storage "${key}" twice`);
    if (at + COUNT_BYTES + sizeOf(storage) > file.size) {
      refuse(
        `it is cut off: storage "${key}" takes ${sizeOf(storage)} bytes from byte ${at} on, the ` +
          `file has ${file.size}; fetch the file again`,
      );
    }
    checkCount(new DataView((await readBytes(file, at, COUNT_BYTES)).buffer), storage);
    offsets.set(key, at + COUNT_BYTES);
    at += COUNT_BYTES + sizeOf(storage);
  }
  if (at !== file.size) refuse(`its storages end at byte ${at}, but ${file.size} bytes are there`);
  return offsets;
}

function checkCount(stored: DataView, { key, count }: TorchStorage): void {
  const found = stored.getBigInt64(0, true);
  if (found !== BigInt(count)) {
    refuse(`its storage "${key}" has ${found} elements, where the pickle says ${count}`);
  }
}

function sizeOf({ count, dtype }: TorchStorage): number {
  return elementCount([count]) * BYTES_PER_ELEMENT[dtype];
}
