/** The pictures of a run: the same latents before and after, and the chart of its log. */
import { basename } from "node:path";
import { writeFileAtomic } from "../../lib/files.ts";
import type { Gpu } from "../../lib/gpu/device.ts";
import { encodePng, imageGrid, imagesFromTensor, lossChart } from "../../lib/image/mod.ts";
import { fittingBatch } from "../stylegan2/batch.ts";
import type { DeviceGenerator } from "../stylegan2/device.ts";
import { latentsFromSeeds } from "../stylegan2/latents.ts";
import { Sampler } from "../stylegan2/sampler.ts";
import type { RunInputs } from "./inputs.ts";
import { LOSS_PARTS } from "./losses/mod.ts";
import { promptLabel } from "./options.ts";
import { pictureText } from "./picture_text.ts";
import type { LogEntry } from "./run_folder.ts";

/** Seeds of the pictures that show how far a run is, and their truncation. */
const SAMPLE_SEEDS = [0, 1, 2, 3, 4, 5, 6, 7];
const SAMPLE_TRUNCATION = 0.7;

/** Images `[8, 3, r, r]` of the seeds that every run shows. */
export async function sampleImages(gpu: Gpu, generator: DeviceGenerator): Promise<Float32Array> {
  const { architecture } = generator;
  const batch = fittingBatch(architecture, gpu.limits.bindingBytes);
  const sampler = await Sampler.create(gpu, generator, { batch });
  try {
    const z = latentsFromSeeds(SAMPLE_SEEDS, architecture.zSize);
    return (await sampler.sample({ z }, { psi: SAMPLE_TRUNCATION })).images;
  } finally {
    sampler.dispose();
  }
}

/** Writes the grid of a step. */
export async function writeGrid(
  path: string,
  { options, files }: RunInputs,
  { step, before, after }: { step: number; before: Float32Array; after: Float32Array },
): Promise<void> {
  const side = Math.sqrt(before.length / (3 * SAMPLE_SEEDS.length));
  const rows = [before, after].map((images) =>
    imagesFromTensor(images, [SAMPLE_SEEDS.length, 3, side, side]).map((image) => ({ image }))
  );
  const { source, target } = promptLabel(options);
  const grid = await imageGrid(rows, {
    title: `${source} → ${target}`,
    subtitle: `step ${step} of ${options.steps}, truncation ${SAMPLE_TRUNCATION}`,
    rows: ["before", "after"],
    columns: SAMPLE_SEEDS.map((seed) => `seed ${seed}`),
  });
  const text = pictureText({
    seeds: SAMPLE_SEEDS,
    truncation: SAMPLE_TRUNCATION,
    generator: basename(options.generator),
    generatorSha256: files.generator!.sha256,
    step,
    source,
    target,
  });
  await writeFileAtomic(path, encodePng(grid, text));
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
