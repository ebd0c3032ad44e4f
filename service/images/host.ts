import {
  balancedRows,
  decodeImage,
  encodeImage,
  imageGrid,
  imagesFromTensor,
  resizeBicubic,
} from "../../lib/image/mod.ts";
import { pictureText } from "../../models/nada/picture_text.ts";
import type { Methods } from "../calls.ts";
import type { Decoded, EncodeWork, ImageWork, UploadedImage } from "./work.ts";

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
}
