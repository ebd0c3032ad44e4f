import { basename } from "node:path";
import { sha256File } from "../../lib/checkpoint/mod.ts";
import {
  balancedRows,
  decodeImage,
  encodeGifFrame,
  encodeImage,
  encodePng,
  imageGrid,
  imagesFromTensor,
  resizeBicubic,
  type RgbImage,
} from "../../lib/image/mod.ts";
import { exportGenerator } from "../../models/generator/export.ts";
import { applyDelta, promptOf, readDelta } from "../../models/nada/delta.ts";
import { loadGenerator } from "../../models/nada/generator_file.ts";
import { pictureText } from "../../models/nada/picture_text.ts";
import type { Methods } from "../calls.ts";
import { ServiceError } from "../failure.ts";
import type {
  Decoded,
  DrawnImages,
  EncodeWork,
  FramesWork,
  ImageWork,
  UploadedImage,
  WriteWork,
} from "./work.ts";

/** Of a file that is to be decoded. */
const MAX_FILE_BYTES = 20e6;

export class ImageHost implements ImageWork, Methods<ImageWork> {
  async encode(
    { format, sheet, about, ...drawn }: EncodeWork,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const sized = sizedImages(drawn);
    const picture = sheet === null ? sized[0]! : await imageGrid(
      balancedRows(sized.map((image, i) => ({ image, caption: sheet.captions[i]! }))),
      sheet,
    );
    return await encodeImage(picture, format, pictureText(about));
  }

  encodeFrames({ gif, about, ...drawn }: FramesWork): Promise<Uint8Array<ArrayBuffer>[]> {
    const encode = (image: RgbImage, i: number) =>
      gif
        ? encodeGifFrame(image, { ...gif, isFirst: gif.isFirst && i === 0 })
        : encodePng(image, pictureText(about[i]!));
    return Promise.resolve(sizedImages(drawn).map(encode));
  }

  async decode({ files }: { readonly files: readonly UploadedImage[] }): Promise<Decoded[]> {
    const decoded: Decoded[] = [];
    for (const { name, bytes } of files) {
      if (bytes.length > MAX_FILE_BYTES) {
        throw new ServiceError(
          "too_large",
          `Cannot take "${name}": it has ${(bytes.length / 1e6).toFixed(1)} MB, the limit is ` +
            `${MAX_FILE_BYTES / 1e6} MB; save it smaller`,
        );
      }
      const { width, height, data } = await decodeImage(bytes, name);
      decoded.push({ width, height, data });
    }
    return decoded;
  }

  async writeGenerator(
    { base, classIndex, delta: deltaPath, format, path }: WriteWork,
  ): Promise<void> {
    const file = await loadGenerator(base, classIndex);
    const about = {
      generator: basename(base),
      generatorSha256: file.sha256,
      ...classIndex !== null && { class: classIndex },
    };
    if (deltaPath === null) {
      return await exportGenerator(path, file.weights, { format, about });
    }
    const delta = await readDelta(deltaPath);
    await exportGenerator(path, applyDelta(file.weights, file, delta), {
      format,
      about: {
        ...about,
        adapted: basename(deltaPath),
        adaptedSha256: await sha256File(deltaPath),
        strength: 1,
        ...promptOf(delta),
      },
    });
  }
}

function sizedImages({ images, count, resolution, size }: DrawnImages): RgbImage[] {
  const own = imagesFromTensor(images, [count, 3, resolution, resolution]);
  if (size === null || size === resolution) return own;
  return own.map((image) => resizeBicubic(image, size, size));
}
