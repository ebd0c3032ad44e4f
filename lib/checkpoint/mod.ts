import type { Checkpoint, Contents, TensorEntry } from "./checkpoint.ts";
import { readPickle } from "./pickle_file.ts";
import { type ByteRange, RangeFile } from "./range_file.ts";
import { type Container, recognise } from "./recognise.ts";
import { explained } from "./refusal.ts";
import { readSafetensors } from "./safetensors.ts";
import { readTorch } from "./torch.ts";
import { readLegacyTorch } from "./torch_legacy.ts";

export type { Checkpoint, TensorEntry } from "./checkpoint.ts";
export type { Dtype } from "./elements.ts";
export type { ModuleAbout, Plain } from "./flatten.ts";
export { sha256File } from "./sha256.ts";
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
 * them, by what it holds, whatever it is called. Only the description of the tensors is read; each `read()` then reads its own elements.
 *
 * Throws a CheckpointError that says what the file is when it is missing, broken or another kind.
 */
export function openCheckpoint(path: string): Promise<Checkpoint> {
  return explained(`"${path}"`, async () => {
    const file = await RangeFile.open(path);
    try {
      const contents = await READERS[await recognise(file)](file);
      const close = () => file[Symbol.dispose]();
      return {
        ...contents,
        tensors: new Map(
          contents.tensors.entries().map(([name, tensor]) => [
            name,
            naming(tensor, path),
          ]),
        ),
        file: path,
        sizeBytes: file.size,
        close,
        [Symbol.dispose]: close,
      };
    } catch (error) {
      file[Symbol.dispose]();
      throw error;
    }
  });
}

/** The same tensor, with errors that name it and its file. */
function naming(tensor: TensorEntry, path: string): TensorEntry {
  const what = `"${tensor.name}" from "${path}"`;
  return { ...tensor, read: () => explained(what, () => tensor.read()) };
}
