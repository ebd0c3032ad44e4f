/**
 * Makes the thumbnails of the presets that `nada presets` shows:
 *
 *     deno task demo:presets [--presets A,B] [--out FOLDER]
 *
 * Each preset adapts the demo generator to something of its kind: with all that the preset sets, and
 * for the rest as the demo is adapted. What it was is kept in the picture's text.
 */
import { Command, InvalidArgumentError } from "commander";
import { basename, join } from "node:path";
import { sha256File } from "../../../lib/checkpoint/mod.ts";
import { writeFileAtomic } from "../../../lib/files.ts";
import { Gpu } from "../../../lib/gpu/device.ts";
import { encodePng, paste, type RgbImage } from "../../../lib/image/mod.ts";
import { clipPath, generatorPath } from "../../catalog.ts";
import { latentFromSeed } from "../../generator/latents.ts";
import { type AdaptOptions, readInputs } from "../../nada/adapt.ts";
import { pictureText } from "../../nada/picture_text.ts";
import { sampleImages } from "../../nada/pictures.ts";
import { prepare } from "../../nada/prepare.ts";
import { type Preset, PRESETS } from "../../nada/presets.ts";
import { assertFree, RunFolder } from "../../nada/run_folder.ts";
import { train } from "../../nada/run.ts";
import { DEMO_DEFAULTS } from "../settings.ts";
import {
  drawFace,
  LATENT_SIZE,
  sceneFromLatent,
  STYLE_WORDS,
  STYLES,
  toImage,
} from "../world/mod.ts";
import { DIRECTION_LOSS, presetPicture, RECIPE, recipeOf } from "./pictures.ts";

type Trial = Pick<AdaptOptions, "source" | "targets"> & Partial<AdaptOptions>;

/** What each preset is tried on: two texts, or pictures in a style. */
const TRIALS: Readonly<Record<string, Trial>> = {
  texture: towards(STYLE_WORDS.photo[0]!, STYLE_WORDS.sketch[0]!),
  identity: towards(STYLE_WORDS.photo[0]!, STYLE_WORDS.stone[0]!),
  // Projection, which the demo needs for styles, throws the colours away here.
  "in-domain": {
    ...towards("person with a frown", "person with a smile"),
    directionLoss: "cosine",
  },
  // Hats do not come: the CLIP names them, but its gradient was made for styles.
  shape: towards(STYLE_WORDS.photo[0]!, STYLE_WORDS.pixel[0]!),
  images: { source: "", targets: [] },
};

function towards(source: string, text: string): Trial {
  return { source, targets: [{ text, weight: 1 }] };
}

/** Seeds of a thumbnail, in a row. */
const SHOWN = 4;
/** Pictures that the preset for images moves towards. */
const STYLE_PICTURES = 8;

interface Flags {
  readonly presets: readonly string[];
  readonly out: string;
}

const command = new Command("demo:presets")
  .description("makes the thumbnails of nada presets")
  .option("--presets <names>", "some of them", parseNames, Object.keys(TRIALS))
  .option("-o, --out <dir>", "folder of the runs, new", "runs/demo-presets");
await makeThumbnails(command.parse(Deno.args, { from: "user" }).opts<Flags>());

async function makeThumbnails({ presets, out }: Flags): Promise<void> {
  await assertFree(out);
  const styleImages = join(out, "style");
  await writeStylePictures(styleImages);
  const gpu = await Gpu.open();
  try {
    for (const preset of PRESETS.filter(({ name }) => presets.includes(name))) {
      const picture = await thumbnail(gpu, join(out, preset.name), preset, {
        ...DEMO_DEFAULTS,
        ...preset.options,
        ...TRIALS[preset.name]!,
        generator: generatorPath("demo"),
        clips: [{ path: clipPath("demo"), weight: 1 }],
        styleImages: preset.name === "images" ? styleImages : null,
        sampleCount: SHOWN,
        sampleEvery: 0,
      });
      await writeFileAtomic(presetPicture(preset.name), picture);
      console.log(presetPicture(preset.name));
    }
  } finally {
    gpu.close();
  }
}

/** Adapts in a run folder, and shows the seeds before and after. */
async function thumbnail(
  gpu: Gpu,
  folder: string,
  preset: Preset,
  options: AdaptOptions,
): Promise<Uint8Array> {
  const inputs = await readInputs(options);
  using models = await prepare(gpu, inputs);
  const config = { options, files: inputs.files };
  const run = { inputs, models, config, folder: await RunFolder.create(folder, config), log: [] };
  const { status, stepsDone } = await train(gpu, run, {}, new AbortController().signal);
  console.error(`${basename(folder)}: ${status} after ${stepsDone} steps`);

  const rows: RgbImage[][] = [];
  for (const generator of [models.frozen, models.trained]) {
    rows.push(await sampleImages(gpu, generator, options));
  }
  const { width, height } = rows[0]![0]!;
  const sheet: RgbImage = {
    width: SHOWN * width,
    height: rows.length * height,
    channels: 3,
    data: new Uint8Array(SHOWN * width * rows.length * height * 3),
  };
  rows.forEach((row, y) => row.forEach((image, x) => paste(sheet, image, x * width, y * height)));
  const { source, targets: [target] } = options;
  const text = pictureText({
    seeds: [...Array(SHOWN).keys()],
    truncation: options.sampleTruncation,
    generator: "demo",
    generatorSha256: await sha256File(options.generator),
    step: stepsDone,
    ...target ? { source, target: target.text } : { source: "photo", target: "pictures" },
  });
  return encodePng(sheet, {
    ...text,
    [RECIPE]: recipeOf(preset),
    [DIRECTION_LOSS]: options.directionLoss,
  });
}

/** Draws other people than the thumbnails show, in neon. */
async function writeStylePictures(folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  for (let i = 0; i < STYLE_PICTURES; i++) {
    const scene = sceneFromLatent(latentFromSeed(1000 + i, LATENT_SIZE));
    const picture = toImage(STYLES.neon(drawFace(scene)));
    await writeFileAtomic(join(folder, `${i}.png`), encodePng(picture));
  }
}

function parseNames(text: string): string[] {
  return text.split(",").map((name) => {
    if (Object.hasOwn(TRIALS, name.trim())) return name.trim();
    throw new InvalidArgumentError(`Expected names of ${Object.keys(TRIALS).join(", ")}.`);
  });
}
