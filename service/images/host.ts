import { basename } from "node:path";
import { sha256File } from "../../lib/checkpoint/mod.ts";
import {
  balancedRows,
  decodeImage,
  encodeImage,
  imageGrid,
  imagesFromTensor,
  resizeBicubic,
} from "../../lib/image/mod.ts";
import { exportGenerator } from "../../models/generator/export.ts";
import { applyDelta, promptOf, readDelta } from "../../models/nada/delta.ts";
import { loadGenerator } from "../../models/nada/generator_file.ts";
import { pictureText } from "../../models/nada/picture_text.ts";
import type { Methods } from "../calls.ts";
import type { Decoded, EncodeWork, ImageWork, UploadedImage, WriteWork } from "./work.ts";

export class ImageHost implements ImageWork, Methods<ImageWork> {
  async encode(
    { images, count, resolution, format, size, sheet, about }: EncodeWork,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const own = imagesFromTensor(images, [count, 3, resolution, resolution]);
    const sized = size === null || size === resolution
      ? own
      : own.map((image) => resizeBicubic(image, size, size));
    const picture = sheet === null ? sized[0]! : await imageGrid(
      balancedRows(sized.map((image, i) => ({ image, caption: sheet.captions[i]! }))),
      sheet,
    );
    return await encodeImage(picture, format, pictureText(about));
  }

  async decode({ files }: { readonly files: readonly UploadedImage[] }): Promise<Decoded[]> {
    const decoded: Decoded[] = [];
    for (const { name, bytes } of files) {
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
