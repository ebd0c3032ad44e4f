import { UserError } from "../errors.ts";
import { writeAtomic } from "../files.ts";
import type { TensorData } from "./write_safetensors.ts";
import { writeZip, type ZipFile } from "./write_zip.ts";

/** What a file of `torch.save` holds: a tensor, or a dict of such values, in its order. */
export type TorchValue = TensorData | ReadonlyMap<string, TorchValue>;

/** Where PyTorch begins the elements of a storage. */
const ALIGNMENT = 64;
/** The folder that all of the archive is in. */
const ROOT = "archive";

/**
 * Writes an archive that `torch.load(path, weights_only=True)` reads, replacing `path` at once or not
 * at all: float32 and float16 tensors, each with a storage of its own, in nested OrderedDicts. The
 * same content gives the same bytes.
 *
 * Throws a RangeError where data and shape of a tensor disagree, a UserError where the file system
 * refuses or the archive would be too large.
 */
export async function writeTorch(path: string, content: ReadonlyMap<string, TorchValue>) {
  const storages: TensorData[] = [];
  const pickle = new Pickle();
  pickle.begin();
  save(pickle, content, storages);
  const text = (name: string, value: string): ZipFile => ({
    name: `${ROOT}/${name}`,
    content: new TextEncoder().encode(value),
  });
  const files: ZipFile[] = [
    { name: `${ROOT}/data.pkl`, content: pickle.end() },
    text("byteorder", "little"),
    ...storages.map(({ data }, key) => ({
      name: `${ROOT}/data/${key}`,
      content: new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength),
    })),
    text("version", "3\n"),
  ];
  const bytes = storages.reduce((sum, { data }) => sum + data.byteLength, 0);
  if (bytes >= 2 ** 32 - 2 ** 24) {
    throw new UserError(
      `Cannot write "${path}": its tensors take ${bytes} bytes, and a file of torch.save as nada ` +
        `writes it ends before 4 GiB; write safetensors`,
    );
  }
  await writeAtomic(path, (write) => writeZip(write, files, ALIGNMENT));
}

/** Saves a value, and adds the storages of its tensors to `storages`. */
function save(pickle: Pickle, value: TorchValue, storages: TensorData[]): void {
  if (!(value instanceof Map)) return saveTensor(pickle, value as TensorData, storages);
  pickle.call("collections", "OrderedDict", () => {});
  pickle.mark();
  for (const [name, item] of value as ReadonlyMap<string, TorchValue>) {
    pickle.string(name);
    save(pickle, item, storages);
  }
  pickle.setItems();
}

function saveTensor(pickle: Pickle, tensor: TensorData, storages: TensorData[]): void {
  const { shape, data } = tensor;
  if (shape.reduce((product, size) => product * size, 1) !== data.length) {
    throw new RangeError(`Cannot write ${data.length} elements as a tensor of shape [${shape}]`);
  }
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const type = data instanceof Float16Array ? "HalfStorage" : "FloatStorage";
  pickle.call("torch._utils", "_rebuild_tensor_v2", () => {
    pickle.tuple(() => {
      pickle.string("storage");
      pickle.global("torch", type);
      pickle.string(String(storages.length));
      pickle.string("cpu");
      pickle.integer(data.length);
    });
    pickle.persistentId();
    pickle.integer(0);
    pickle.tuple(() => shape.forEach((size) => pickle.integer(size)));
    pickle.tuple(() => strides.forEach((stride) => pickle.integer(stride)));
    pickle.false();
    pickle.call("collections", "OrderedDict", () => {}); // no backward hooks
  });
  storages.push(tensor);
}

/** The few opcodes of protocol 2 that state dicts need. */
class Pickle {
  readonly #bytes: number[] = [];

  #op(opcode: string, ...bytes: number[]): void {
    this.#bytes.push(opcode.charCodeAt(0), ...bytes);
  }

  begin(): void {
    this.#op("\x80", 2);
  }

  end(): Uint8Array {
    this.#op(".");
    return Uint8Array.from(this.#bytes);
  }

  mark(): void {
    this.#op("(");
  }

  setItems(): void {
    this.#op("u");
  }

  persistentId(): void {
    this.#op("Q");
  }

  false(): void {
    this.#op("\x89");
  }

  tuple(items: () => void): void {
    this.mark();
    items();
    this.#op("t");
  }

  global(module: string, name: string): void {
    this.#op("c", ...new TextEncoder().encode(`${module}\n${name}\n`));
  }

  call(module: string, name: string, args: () => void): void {
    this.global(module, name);
    this.tuple(args);
    this.#op("R");
  }

  string(value: string): void {
    const bytes = new TextEncoder().encode(value);
    this.#op("X", ...uint32(bytes.length), ...bytes);
  }

  /** From 0 on. */
  integer(value: number): void {
    if (value < 2 ** 31) this.#op("J", ...uint32(value));
    else {
      // The long form: eight bytes, the last of them clear of the sign.
      this.#op("\x8a", 8, ...uint32(value % 2 ** 32), ...uint32(Math.floor(value / 2 ** 32)));
    }
  }
}

function uint32(value: number): number[] {
  return [...new Uint8Array(Uint32Array.of(value).buffer)];
}
