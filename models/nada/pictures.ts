/** The pictures of a run: the same latents before and after, and the chart of its log. */
import { basename } from "node:path";
import { writeFileAtomic } from "../../lib/files.ts";
import type { Gpu } from "../../lib/gpu/device.ts";
import {
  encodePng,
  type GridCell,
  imageGrid,
  imagesFromTensor,
  lossChart,
  paste,
  type RgbImage,
  steppedStrip,
  STRIP_IMAGES,
} from "../../lib/image/mod.ts";
import { batchBesideStep } from "../generator/batch.ts";
import type { DeviceGenerator } from "../generator/device.ts";
import { latentsFromSeeds } from "../generator/latents.ts";
import { Sampler } from "../generator/sampler.ts";
import type { RunInputs } from "./inputs.ts";
import { LOSS_PARTS } from "./losses/mod.ts";
import { type AdaptOptions, promptLabel } from "./options.ts";
import { pictureText } from "./picture_text.ts";
import type { LogEntry } from "./run_folder.ts";

/** Images in a row of a grid. */
const COLUMNS = 8;

const sampleSeeds = ({ sampleCount }: AdaptOptions) => [...Array(sampleCount).keys()];

/** Images of seeds as the run shows them; of those in its grids, from 0 on, unless told others. */
export async function sampleImages(
  gpu: Gpu,
  generator: DeviceGenerator,
  options: AdaptOptions,
  seeds: readonly number[] = sampleSeeds(options),
): Promise<RgbImage[]> {
  const { architecture } = generator;
  const batch = batchBesideStep(architecture, gpu.limits.bindingBytes);
  const sampler = await Sampler.create(gpu, generator, { batch });
  try {
    const z = latentsFromSeeds(seeds, architecture.zSize);
    const { images } = await sampler.sample({ z }, { psi: options.sampleTruncation });
    const side = architecture.resolution;
    const all = imagesFromTensor(images, [seeds.length, 3, side, side]);
    return options.crop === "cars" ? all.map(middleRows) : all;
  } finally {
    sampler.dispose();
  }
}

/** Writes the grid of a step. */
export async function writeGrid(
  path: string,
  inputs: RunInputs,
  { step, before, after }: {
    step: number;
    before: readonly RgbImage[];
    after: readonly RgbImage[];
  },
): Promise<void> {
  const { options } = inputs;
  const seeds = sampleSeeds(options);
  const rows: GridCell[][] = [];
  for (let first = 0; first < seeds.length; first += COLUMNS) {
    for (const images of [before, after]) {
      rows.push(
        images.slice(first, first + COLUMNS).map((image, i) => ({
          image,
          ...seeds.length > COLUMNS && { caption: `seed ${first + i}` },
        })),
      );
    }
  }
  const { source, target } = promptLabel(options);
  const grid = await imageGrid(rows, {
    title: `${source} → ${target}`,
    subtitle: `step ${step} of ${options.steps}, truncation ${options.sampleTruncation}`,
    rows: rows.map((_, i) => i % 2 === 0 ? "before" : "after"),
    ...seeds.length <= COLUMNS && { columns: seeds.map((seed) => `seed ${seed}`) },
  });
  await writeFileAtomic(path, encodePng(grid, sampleText(inputs, step, seeds)));
}

/** What the PNG of these seeds says about itself. */
function sampleText(
  { options, files }: RunInputs,
  step: number,
  seeds: readonly number[],
): Record<string, string> {
  return pictureText({
    seeds,
    truncation: options.sampleTruncation,
    generator: basename(options.generator),
    generatorSha256: files.generator!.sha256,
    step,
    ...promptLabel(options),
  });
}

/** Rows of pixels between the two strips of a paper grid. */
const STRIP_GAP = 4;

/**
 * Writes the paper's kind of grid, without words: sixteen images before in a strip, and below it the
 * same after. The first grid shows seeds 0 to 15.
 */
export async function writePaperGrid(
  gpu: Gpu,
  path: string,
  inputs: RunInputs,
  { place, step, frozen, trained }: {
    place: number;
    step: number;
    frozen: DeviceGenerator;
    trained: DeviceGenerator;
  },
): Promise<void> {
  const seeds = Array.from({ length: STRIP_IMAGES }, (_, i) => place * STRIP_IMAGES + i);
  const strips: RgbImage[] = [];
  for (const generator of [frozen, trained]) {
    strips.push(steppedStrip(await sampleImages(gpu, generator, inputs.options, seeds)));
  }
  const { width, height } = strips[0]!;
  const sheet: RgbImage = {
    width,
    height: 2 * height + STRIP_GAP,
    channels: 3,
    data: new Uint8Array(width * (2 * height + STRIP_GAP) * 3).fill(255),
  };
  strips.forEach((strip, i) => paste(sheet, strip, 0, i * (height + STRIP_GAP)));
  await writeFileAtomic(path, encodePng(sheet, sampleText(inputs, step, seeds)));
}

/** The middle three quarters of the rows. */
function middleRows({ width, height, data }: RgbImage): RgbImage {
  const first = Math.round(height / 8);
  const rows = height - 2 * first;
  const from = 3 * width * first;
  return { width, height: rows, channels: 3, data: data.slice(from, from + 3 * width * rows) };
}

/** Writes the chart: the loss, its parts where there are several, and when layers were trained. */
export async function writeChart(
  path: string,
  { options, plan }: RunInputs,
  log: readonly LogEntry[],
): Promise<void> {
  const parts = LOSS_PARTS.filter((part) => log.some((entry) => entry.parts?.[part] !== undefined));
  const { source, target } = promptLabel(options);
  const chart = await lossChart({
    title: `${source} → ${target}`,
    series: [
      { label: "loss", values: log.map(({ loss }) => loss ?? NaN) },
      ...parts.map((part) => ({
        label: part,
        values: log.map((entry) => entry.parts?.[part] ?? NaN),
      })),
    ],
    ...plan.auto && {
      band: {
        title: "layers trained",
        names: plan.layers,
        steps: log.map(({ layers }) => layers.map((layer) => plan.layers.indexOf(layer))),
      },
    },
  });
  await writeFileAtomic(path, encodePng(chart));
}
