/** Encoding and decoding, which would keep the thread that answers requests busy. */
import type { ImageFormat } from "../../lib/image/mod.ts";
import type { ExportFormat } from "../../models/generator/export.ts";
import type { PictureAbout } from "../../models/nada/picture_text.ts";

export interface ImageWork {
  /** A drawn image, or a sheet of several, as a file. */
  encode(args: EncodeWork): Promise<Uint8Array<ArrayBuffer>>;
  /** Frames as files: PNGs, or parts of one GIF. */
  encodeFrames(args: FramesWork): Promise<Uint8Array<ArrayBuffer>[]>;
  /** Pixels of PNG, JPEG or WebP files. Throws for what is none of these, or has more than 20 MB or 40 megapixels. */
  decode(args: { readonly files: readonly UploadedImage[] }): Promise<Decoded[]>;
  /** Writes a whole generator to a new file. */
  writeGenerator(args: WriteWork): Promise<void>;
}

export interface WriteWork {
  /** The base checkpoint. */
  readonly base: string;
  /** Of its images, where they are of classes. */
  readonly classIndex: number | null;
  /** What is adapted of it; null for the base itself. */
  readonly delta: string | null;
  readonly format: Exclude<ExportFormat, "hf">;
  readonly path: string;
}

/** Drawn images, and how large they are to be. */
export interface DrawnImages {
  /** `[count, 3, resolution, resolution]`, about [-1, 1]. */
  readonly images: Float32Array<ArrayBuffer>;
  readonly count: number;
  readonly resolution: number;
  /** Side in pixels of each image; null for the generator's own. */
  readonly size: number | null;
}

export interface FramesWork extends DrawnImages {
  /** null for PNGs. */
  readonly gif: { readonly frameMs: number; readonly isFirst: boolean } | null;
  /** What is said in each file; null for nothing. */
  readonly about: readonly (PictureAbout | null)[];
}

export interface EncodeWork extends DrawnImages {
  readonly format: ImageFormat;
  readonly sheet: {
    readonly title: string;
    readonly subtitle: string;
    readonly captions: readonly string[];
  } | null;
  /** What is said in the file; null for nothing. */
  readonly about: PictureAbout | null;
}

export interface UploadedImage {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface Decoded {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}
