import type { Command } from "commander";
import { basename, dirname } from "node:path";
import { writeSafetensors } from "../lib/checkpoint/mod.ts";
import { UserError } from "../lib/errors.ts";
import { Gpu } from "../lib/gpu/device.ts";
import { VERSION } from "../lib/version.ts";
import { Clip, openClipFile, type ResizeVariant } from "../models/clip/mod.ts";
import { type ImageFiles, readImageFiles } from "../models/clip/image_files.ts";
import { tokenize } from "../models/clip/tokenizer.ts";
import { clipPath } from "../models/catalog.ts";
import { cosines, cosineTable } from "./cosine_table.ts";
import { reportWidth } from "./layout.ts";
import { clipResizeOption } from "./options.ts";
import { checkOutput, makeFolder } from "./output.ts";

interface Flags {
  readonly clip: string;
  readonly images?: readonly string[];
  readonly texts?: readonly string[];
  readonly clipResize: ResizeVariant;
  readonly out: string;
  readonly overwrite?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const NOTES = `
FILE.safetensors gets image_features [n, d] and text_features [m, d], as the
model gives them: not of unit length. A file of --images holds images
[n, 3, h, w] in [-1, 1], which are resized and normalised as when adapting, or
pixel_values, which are taken as they are. PNG files get CLIP's own
preprocessing.

Examples:
  nada clip --clip ViT-B-32.pt --images a.png b.png --texts "a cat" "a dog" \\
    --out features.safetensors
  nada clip --clip clip-vit-base-patch32/ --images images.safetensors \\
    --out features.safetensors
`;

/** See CommandModule. */
export function register(command: Command): void {
  command
    .requiredOption(
      "--clip <path>",
      "CLIP model: OpenAI's .pt, a Hugging Face folder, a pulled name, or demo",
      clipPath,
    )
    .option("--images <file...>", "PNG files, or safetensors with images or pixel_values")
    .option("--texts <text...>", "texts")
    .addOption(clipResizeOption())
    .requiredOption("-o, --out <file>", "where to write: FILE.safetensors")
    .option("--overwrite", "replace a file that is there")
    .option("--json", "print similarities as JSON")
    .option("--quiet", "print nothing")
    .addHelpText("after", NOTES)
    .action((flags: Flags) => clip(flags));
}

/** Checks everything, then encodes, writes and prints. */
async function clip(flags: Flags): Promise<void> {
  const { texts = [], out, overwrite = false } = flags;
  if (texts.length === 0 && flags.images === undefined) {
    throw new UserError("Cannot encode nothing: pass --images, --texts or both");
  }
  if (!/\.safetensors$/i.test(out)) {
    throw new UserError(`Cannot write features to "${out}": name a file FILE.safetensors`);
  }
  await checkOutput(out, { kind: "file", overwrite });
  const images = await readInputs(flags);
  const features = await encode(flags, images);
  await makeFolder(dirname(out));
  await writeSafetensors(out, tensorsOf(features), {
    "nada.format": "features",
    "nada.version": VERSION,
    "nada.clip": basename(flags.clip),
    "nada.images": JSON.stringify(images.names),
    "nada.texts": JSON.stringify(texts),
  });
  report(flags, images.names, features);
}

/** Reads the images, and sees that model and texts are usable; nothing is computed. */
async function readInputs({ clip, images = [], texts = [] }: Flags): Promise<ImageFiles> {
  using file = await openClipFile(clip);
  const { image: { imageSize }, text: limits } = file.architecture;
  for (const text of texts) tokenize(text, limits);
  return await readImageFiles(images, imageSize);
}

interface Features {
  /** One row for each image and each text. */
  readonly images: readonly Float32Array[];
  readonly texts: readonly Float32Array[];
}

async function encode(
  { clip: path, texts = [], clipResize }: Flags,
  { names, groups }: ImageFiles,
): Promise<Features> {
  const gpu = await Gpu.open();
  try {
    const clip = await Clip.open(gpu, path);
    try {
      const images = new Array<Float32Array>(names.length);
      for (const { batch, preprocessed, rows } of groups) {
        const encoded = await clip.encodeImages(batch, preprocessed ? "none" : clipResize);
        rows.forEach((row, i) => images[row] = encoded[i]!);
      }
      return { images, texts: await clip.encodeTexts(texts) };
    } finally {
      clip.dispose();
    }
  } finally {
    gpu.close();
  }
}

function tensorsOf({ images, texts }: Features) {
  const rows = { image_features: images, text_features: texts };
  return Object.entries(rows).filter(([, { length }]) => length > 0).map(
    ([name, features]): [string, { shape: number[]; data: Float32Array }] => {
      const size = features[0]!.length;
      const data = new Float32Array(features.length * size);
      features.forEach((row, i) => data.set(row, i * size));
      return [name, { shape: [features.length, size], data }];
    },
  );
}

function report(flags: Flags, names: readonly string[], { images, texts }: Features): void {
  const { out, json, quiet, texts: captions = [] } = flags;
  const similarities = cosines(images, texts);
  if (json) {
    const features = (images[0] ?? texts[0])!.length;
    console.log(
      JSON.stringify({ out, features, images: names, texts: captions, cosines: similarities }),
    );
  } else if (!quiet) {
    console.log(`Features  ${out}`);
    if (images.length > 0 && texts.length > 0) {
      console.log(["", ...cosineTable(names, captions, similarities, reportWidth())].join("\n"));
    }
  }
}
