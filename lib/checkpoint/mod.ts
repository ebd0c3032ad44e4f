import type { Checkpoint, Contents, TensorEntry } from "./checkpoint.ts";
import { readPickle } from "./pickle_file.ts";
import { type ByteRange, RangeFile } from "./range_file.ts";
import { type Container, recognise } from "./recognise.ts";
import { explained } from "./refusal.ts";
import { readSafetensors } from "./safetensors.ts";
import { sha256Of } from "./sha256.ts";
import { compareSidecar, readSidecar } from "./sidecar.ts";
import { readTorch } from "./torch.ts";
import { readLegacyTorch } from "./torch_legacy.ts";

export type { Checkpoint, TensorEntry } from "./checkpoint.ts";
export type { Dtype } from "./elements.ts";
export type { ModuleAbout, Plain } from "./flatten.ts";
export { sha256File } from "./sha256.ts";
export { readChecked, sidecarPath, sidecarText } from "./sidecar.ts";
export { safetensorsParts, type TensorData, writeSafetensors } from "./write_safetensors.ts";
export { type TorchValue, writeTorch } from "./write_torch.ts";
export { writeZip, type ZipFile } from "./write_zip.ts";

const READERS: Record<Container, (file: ByteRange) => Promise<Contents>> = {
  safetensors: readSafetensors,
  zip: readTorch,
  "torch legacy": readLegacyTorch,
  pickle: readPickle,
};

/**
 * Opens a safetensors file, a PyTorch file or TorchScript archive, or a pickle as NVIDIA writes
 * them, by what it holds, whatever it is called. Only the description of the tensors is read; each
 * `read()` then reads its own elements. Where a file FILE.sha256 lies beside it, the first `read()`
 * compares the whole file with that.
 *
 * Throws a CheckpointError that says what the file is when it is missing, broken or another kind.
 */
export function openCheckpoint(path: string): Promise<Checkpoint> {
  return explained(`"${path}"`, async () => {
    const file = await RangeFile.open(path);
    try {
      const contents = await READERS[await recognise(file)](file);
      const sha256 = once(() => sha256Of(file));
      const wanted = await readSidecar(path);
      const check = once(async () => {
        if (wanted !== null) compareSidecar(path, await sha256(), wanted);
      });
      const close = () => file[Symbol.dispose]();
      return {
        ...contents,
        tensors: new Map(
          contents.tensors.entries().map(([name, tensor]) => [
            name,
            checked(tensor, path, check),
          ]),
        ),
        file: path,
        sizeBytes: file.size,
        sha256: () => explained(`"${path}"`, sha256),
        close,
        [Symbol.dispose]: close,
      };
    } catch (error) {
      file[Symbol.dispose]();
      throw error;
    }
  });
}

/** What `make` gives, made when it is first asked for. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => made ??= make();
}

/** The same tensor, read once `check` has let it pass, with errors that name it and its file. */
function checked(tensor: TensorEntry, path: string, check: () => Promise<void>): TensorEntry {
  const what = `"${tensor.name}" from "${path}"`;
  return {
    ...tensor,
    read: () => explained(what, () => check().then(() => tensor.read())),
    async *pieces() {
      await explained(what, check);
      const pieces = tensor.pieces()[Symbol.asyncIterator]();
      for (;;) {
        const { done, value } = await explained(what, () => pieces.next());
        if (done) return;
        yield value;
      }
    },
  };
}
