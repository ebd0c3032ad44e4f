/** Images for CLIP from files: pictures as PNG, tensors of a generator, or what is preprocessed. */
import { basename } from "node:path";
import { type Checkpoint, openCheckpoint } from "../../lib/checkpoint/mod.ts";
import { UserError } from "../../lib/errors.ts";
import { clipPreprocess, decodePng, isPng } from "../../lib/image/mod.ts";
import type { ImageBatch } from "./clip.ts";

/** Images that can be encoded together. */
export interface ImageGroup {
  readonly batch: ImageBatch;
  /** Whether these are pixel values as CLIP reads them; else images in [-1, 1]. */
  readonly preprocessed: boolean;
  /** Their numbers among all images. */
  readonly rows: readonly number[];
}

export interface ImageFiles {
  /** Of each image, in the order of the files. */
  readonly names: readonly string[];
  readonly groups: readonly ImageGroup[];
}

/**
 * Reads PNG files, which get CLIP's own preprocessing for images of `size`, and tensor files with
 * `images` `[n, 3, h, w]` in [-1, 1] or `pixel_values` `[n, 3, size, size]`.
 *
 * Throws a UserError for a file that is neither, for other shapes, and for values that are not
 * finite.
 */
export async function readImageFiles(paths: readonly string[], size: number): Promise<ImageFiles> {
  const names: string[] = [];
  const parts = new Map<string, Part[]>();
  for (const path of paths) {
    const part = await readPart(path, size);
    const count = part.shape[0]!;
    const key = `${part.preprocessed} ${part.shape.slice(1)}`;
    parts.set(key, [...parts.get(key) ?? [], { ...part, first: names.length }]);
    for (let i = 0; i < count; i++) {
      names.push(count === 1 ? basename(path) : `${basename(path)} ${i}`);
    }
  }
  return { names, groups: [...parts.values()].map(joined) };
}

interface Part extends ImageBatch {
  readonly preprocessed: boolean;
  /** Number of its first image among all. */
  readonly first: number;
}

function joined(parts: readonly Part[]): ImageGroup {
  const [{ shape: [, ...size], preprocessed }] = parts as [Part];
  const data = new Float32Array(parts.reduce((sum, part) => sum + part.data.length, 0));
  const rows: number[] = [];
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
    for (let i = 0; i < part.shape[0]!; i++) rows.push(part.first + i);
  }
  return { batch: { shape: [rows.length, ...size], data }, preprocessed, rows };
}

async function readPart(path: string, size: number): Promise<Omit<Part, "first">> {
  if (await looksLikePicture(path)) {
    const picture = decodePng(await Deno.readFile(path), path);
    return { shape: [1, 3, size, size], data: clipPreprocess(picture, size), preprocessed: true };
  }
  using checkpoint = await openCheckpoint(path);
  return await readTensor(checkpoint, size);
}

/** Whether the file is a PNG, or says by its name that it is a picture, which decoding refuses. */
async function looksLikePicture(path: string): Promise<boolean> {
  const head = new Uint8Array(8);
  try {
    using file = await Deno.open(path);
    await file.read(head);
  } catch {
    return false; // what is wrong, opening it as a checkpoint says
  }
  return isPng(head) || /\.(png|jpe?g|webp|gif|bmp|tiff?)$/i.test(path);
}

async function readTensor(
  { file, tensors }: Checkpoint,
  size: number,
): Promise<Omit<Part, "first">> {
  const refuse = (reason: string): never => {
    throw new UserError(`Cannot take images from "${file}": ${reason}`);
  };
  const [images, pixels] = [tensors.get("images"), tensors.get("pixel_values")];
  if (images && pixels) refuse(`it has "images" and "pixel_values"; leave one of them`);
  const tensor = images ?? pixels ?? refuse(
    `it has neither "images" [n, 3, h, w] nor "pixel_values" [n, 3, ${size}, ${size}]`,
  );
  const { name, shape } = tensor;
  const [count = 0, channels, height = 0, width = 0, ...more] = shape;
  const isSize = pixels ? height === size && width === size : height > 0 && width > 0;
  if (count === 0 || channels !== 3 || !isSize || more.length > 0) {
    const wanted = pixels ? `[n, 3, ${size}, ${size}]` : "[n, 3, h, w]";
    refuse(`"${name}" has shape [${shape}], ${wanted} was expected`);
  }
  const data = await tensor.read();
  const bad = data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) refuse(`"${name}" holds ${data[bad]} at index ${bad}; all must be finite`);
  return { shape, data, preprocessed: pixels !== undefined };
}
