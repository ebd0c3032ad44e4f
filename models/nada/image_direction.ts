/** Images as the target in place of a text. */
import { UserError } from "../../lib/errors.ts";
import { clipPreprocess, type RgbImage } from "../../lib/image/mod.ts";
import type { Clip, ImageBatch } from "../clip/clip.ts";
import type { ResizeVariant } from "../clip/preprocess.ts";
import { textDirection } from "./text_direction.ts";

/**
 * Unit vector `[d]` from what a generator draws to what pictures show: the mean of their normalised
 * features minus that of the images', normalised. The images are in [-1, 1], the pictures of any
 * size; each kind goes through the preprocessing that the reference gives it.
 *
 * Throws a UserError where CLIP sees no difference.
 */
export async function imageDirection(
  clip: Clip,
  generated: ImageBatch,
  pictures: readonly RgbImage[],
  resize: ResizeVariant,
): Promise<Float32Array<ArrayBuffer>> {
  const from = await clip.encodeImages(generated, resize);
  const to = await encodePictures(clip, pictures);
  const direction = textDirection(from, to);
  if (direction.every(Number.isFinite)) return direction;
  throw new UserError(
    "Cannot adapt towards the style images: CLIP gives them the same features as the generator's",
  );
}

/** Features of pictures, not of unit length. */
export async function encodePictures(
  clip: Clip,
  pictures: readonly RgbImage[],
): Promise<Float32Array[]> {
  const batch = pictureBatch(pictures, clip.architecture.image.imageSize);
  return await clip.encodeImages(batch, "none");
}

/** Pixel values `[n, 3, size, size]` as CLIP reads them. */
function pictureBatch(pictures: readonly RgbImage[], size: number): ImageBatch {
  const each = 3 * size * size;
  const data = new Float32Array(pictures.length * each);
  pictures.forEach((picture, i) => data.set(clipPreprocess(picture, size), i * each));
  return { shape: [pictures.length, 3, size, size], data };
}
