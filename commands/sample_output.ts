/** The forms in which `nada sample` writes images: a folder of PNGs, one sheet, or tensors. */
import { basename, dirname, join } from "node:path";
import { writeSafetensors } from "../lib/checkpoint/mod.ts";
import { UserError } from "../lib/errors.ts";
import { writeFileAtomic } from "../lib/files.ts";
import {
  balancedRows,
  encodePng,
  type GridCell,
  imageGrid,
  imagesFromTensor,
  type RgbImage,
} from "../lib/image/mod.ts";
import { VERSION } from "../lib/version.ts";
import { type PictureAbout, pictureText } from "../models/nada/picture_text.ts";
import type { Sizes } from "../models/generator/generator.ts";
import { formatBytes } from "./layout.ts";
import { makeFolder } from "./output.ts";

/** All images that are asked for. */
export interface SampleSet {
  readonly architecture: Sizes;
  readonly pictures: readonly Picture[];
  readonly title: string;
  readonly subtitle: string;
  /** Of all images together; null to say nothing of them. */
  readonly about: PictureAbout | null;
  /** `z` `[n, zSize]` that the images are drawn from, and those that are mixed in. */
  readonly z: Float32Array | null;
  readonly mixZ: Float32Array | null;
  /** Whether all layers of an image have the same w. */
  readonly hasW: boolean;
}

export interface Picture {
  /** Its file's name without ".png". */
  readonly name: string;
  readonly caption: string;
  readonly about: PictureAbout | null;
}

/** Images that are drawn, from number `start` on. */
export interface Drawn {
  readonly start: number;
  /** `[n, 3, resolution, resolution]` */
  readonly images: Float32Array;
  /** `[n, wCount, wSize]` */
  readonly wPlus: Float32Array;
}

/** Files that were written. */
export interface Written {
  readonly images: readonly string[];
  readonly grid: string | null;
  readonly tensors: string | null;
}

export interface SampleWriter {
  add(drawn: Drawn): Promise<void>;
  finish(): Promise<Written>;
  /** Takes back what has been written. */
  discard(): Promise<void>;
}

export type SampleForm = "folder" | "sheet" | "tensors";

/** Endings that somebody may expect to work, where a folder of that name would surprise. */
const OTHER_FORMATS = /\.(jpe?g|webp|gif|bmp|tiff?|pt|pth|pkl|npy|npz)$/i;

/** The form by the name of the output. Throws a UserError for formats that nada does not write. */
export function formOf(out: string): SampleForm {
  if (/\.png$/i.test(out)) return "sheet";
  if (/\.safetensors$/i.test(out)) return "tensors";
  if (!OTHER_FORMATS.test(out)) return "folder";
  throw new UserError(
    `Cannot write to "${out}": nada writes a folder of PNGs, a sheet FILE.png or tensors ` +
      `FILE.safetensors; name one of these with --out`,
  );
}

/** On a sheet of more, nothing can be recognised. */
const MAX_CELLS = 256;
/** More is better written in several files. */
const MAX_TENSOR_BYTES = 4 * 2 ** 30;

/** Throws a UserError where there are more images than the form can hold. */
export function createWriter(form: SampleForm, out: string, set: SampleSet): SampleWriter {
  if (form === "folder") return new FolderWriter(out, set);
  return form === "sheet" ? new SheetWriter(out, set) : new TensorWriter(out, set);
}

class FolderWriter implements SampleWriter {
  readonly #written: string[] = [];
  readonly #sheet: Sheet;
  #made: string | null = null;

  constructor(private readonly folder: string, private readonly set: SampleSet) {
    this.#sheet = new Sheet(set);
  }

  async add(drawn: Drawn): Promise<void> {
    this.#made ??= await makeFolder(this.folder);
    for (const [i, image] of toImages(drawn, this.set).entries()) {
      const { name, about } = this.set.pictures[drawn.start + i]!;
      const file = join(this.folder, `${name}.png`);
      await writeFileAtomic(file, encodePng(image, pictureText(about)));
      this.#written.push(file);
      this.#sheet.add(image);
    }
  }

  async finish(): Promise<Written> {
    const images = [...this.#written];
    const grid = join(this.folder, "grid.png");
    await writeFileAtomic(grid, await this.#sheet.encode());
    return { images, grid, tensors: null };
  }

  async discard(): Promise<void> {
    for (const file of this.#written) await Deno.remove(file);
    if (this.#made !== null) await Deno.remove(this.#made, { recursive: true });
  }
}

class SheetWriter implements SampleWriter {
  readonly #sheet: Sheet;

  constructor(private readonly file: string, private readonly set: SampleSet) {
    const count = set.pictures.length;
    if (count > MAX_CELLS) {
      throw new UserError(
        `Cannot draw ${count} images on one sheet: it holds ${MAX_CELLS}; name a folder with --out`,
      );
    }
    this.#sheet = new Sheet(set);
  }

  add(drawn: Drawn): Promise<void> {
    toImages(drawn, this.set).forEach((image) => this.#sheet.add(image));
    return Promise.resolve();
  }

  async finish(): Promise<Written> {
    const png = await this.#sheet.encode();
    await makeFolder(dirname(this.file));
    await writeFileAtomic(this.file, png);
    return { images: [], grid: this.file, tensors: null };
  }

  discard(): Promise<void> {
    return Promise.resolve(); // the one file is written at the end
  }
}

class TensorWriter implements SampleWriter {
  readonly #images: Float32Array;
  readonly #wPlus: Float32Array;

  constructor(private readonly file: string, private readonly set: SampleSet) {
    const { architecture: { resolution, wCount, wSize }, pictures: { length: count } } = set;
    const bytes = 4 * count * 3 * resolution ** 2;
    if (bytes > MAX_TENSOR_BYTES) {
      throw new UserError(
        `Cannot write ${count} images into one file: they take ${formatBytes(bytes)}, the limit ` +
          `is ${formatBytes(MAX_TENSOR_BYTES)}; write fewer at a time`,
      );
    }
    this.#images = new Float32Array(bytes / 4);
    this.#wPlus = new Float32Array(count * wCount * wSize);
  }

  add({ start, images, wPlus }: Drawn): Promise<void> {
    const { resolution, wCount, wSize } = this.set.architecture;
    this.#images.set(images, start * 3 * resolution ** 2);
    this.#wPlus.set(wPlus, start * wCount * wSize);
    return Promise.resolve();
  }

  async finish(): Promise<Written> {
    const { architecture: { resolution, wCount, wSize, zSize }, pictures, z, mixZ, about } =
      this.set;
    const n = pictures.length;
    const tensors = new Map([
      ["images", { shape: [n, 3, resolution, resolution], data: this.#images }],
      ["w_plus", { shape: [n, wCount, wSize], data: this.#wPlus }],
    ]);
    if (z) tensors.set("z", { shape: [n, zSize], data: z });
    if (mixZ) tensors.set("z_mix", { shape: [n, zSize], data: mixZ });
    if (this.set.hasW) tensors.set("w", { shape: [n, wSize], data: this.#firstRows() });
    await makeFolder(dirname(this.file));
    await writeSafetensors(this.file, tensors, {
      "nada.format": "samples",
      "nada.version": VERSION,
      ...about && { "nada.about": JSON.stringify(about) },
    });
    return { images: [], grid: null, tensors: this.file };
  }

  discard(): Promise<void> {
    return Promise.resolve(); // the one file is written at the end
  }

  /** The w of each image, all rows of its w+ being the same. */
  #firstRows(): Float32Array {
    const { architecture: { wCount, wSize }, pictures } = this.set;
    const w = new Float32Array(pictures.length * wSize);
    pictures.forEach((_, i) => {
      const start = i * wCount * wSize;
      w.set(this.#wPlus.subarray(start, start + wSize), i * wSize);
    });
    return w;
  }
}

/** The labelled grid of the first images. */
class Sheet {
  readonly #cells: GridCell[] = [];

  constructor(private readonly set: SampleSet) {}

  add(image: RgbImage): void {
    const at = this.#cells.length;
    if (at < MAX_CELLS) this.#cells.push({ image, caption: this.set.pictures[at]!.caption });
  }

  async encode(): Promise<Uint8Array<ArrayBuffer>> {
    const { pictures, title, subtitle, about } = this.set;
    const shown = this.#cells.length;
    const part = shown < pictures.length ? `, the first ${shown} of ${pictures.length}` : "";
    const grid = await imageGrid(balancedRows(this.#cells), { title, subtitle: subtitle + part });
    return encodePng(grid, pictureText(about));
  }
}

function toImages({ images }: Drawn, { architecture: { resolution } }: SampleSet): RgbImage[] {
  const count = images.length / (3 * resolution ** 2);
  return imagesFromTensor(images, [count, 3, resolution, resolution]);
}

/** "seed0000.png to seed0015.png". */
export function nameRange(files: readonly string[]): string {
  const names = files.map((file) => basename(file));
  return names.length > 1 ? `${names[0]} to ${names.at(-1)}` : names[0] ?? "";
}
