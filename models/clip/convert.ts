/** CLIP models of any file that is read, as safetensors under their own names. */
import { basename, dirname, join } from "node:path";
import { openCheckpoint, type TensorData, writeSafetensors } from "../../lib/checkpoint/mod.ts";
import { CheckpointError } from "../../lib/errors.ts";
import { openClipFile } from "./weights.ts";

/** The file of weights in a folder that is made of one with this file. */
function weightsName(file: string): string {
  return basename(file).startsWith("open_clip")
    ? "open_clip_model.safetensors"
    : "model.safetensors";
}

/**
 * Writes the weights of a model as `out`, a file, or a folder that is there, which also gets the
 * JSON files beside the weights. Half precision stays; wider or other floats become float32; whole
 * numbers, which only count what training did, are left out. Throws a CheckpointError where what was
 * written would be taken for another model, and then it is removed.
 */
export async function convertClip(
  path: string,
  out: string,
  form: "file" | "folder",
): Promise<void> {
  using model = await openClipFile(path);
  const { file } = model;
  const target = form === "file" ? out : join(out, weightsName(file));
  const written = [target];
  try {
    await writeWeights(file, target);
    if (form === "folder") {
      for await (const { name, isFile } of Deno.readDir(dirname(file))) {
        if (!isFile || !name.endsWith(".json")) continue;
        written.push(join(out, name));
        await Deno.copyFile(join(dirname(file), name), join(out, name));
      }
    }
    using copy = await openClipFile(out);
    if (JSON.stringify(copy.architecture) !== JSON.stringify(model.architecture)) {
      throw new CheckpointError(
        `Cannot convert "${path}" to "${out}": part of what it is follows from its name or the ` +
          `files beside it; keep the name, or convert the folder`,
      );
    }
  } catch (error) {
    for (const each of written) await Deno.remove(each).catch(() => {}); // the first error says more
    throw error;
  }
}

async function writeWeights(file: string, target: string): Promise<void> {
  using checkpoint = await openCheckpoint(file);
  const tensors: [string, TensorData][] = [];
  for (const { name, dtype, shape, read } of checkpoint.tensors.values()) {
    if (!/^b?f\d+$/.test(dtype)) continue;
    const data = await read();
    tensors.push([name, { shape, data: dtype === "f16" ? Float16Array.from(data) : data }]);
  }
  const own = Object.entries(checkpoint.metadata).filter(([key]) => key.startsWith("nada."));
  await writeSafetensors(target, tensors, { format: "pt", ...Object.fromEntries(own) });
}
