import { type Command, Option } from "commander";
import { Gpu } from "../lib/gpu/device.ts";
import { type Precision, PRECISIONS } from "../lib/graph/precision.ts";
import { generatorPath } from "../models/catalog.ts";
import { fittingBatch } from "../models/generator/batch.ts";
import { uploadGenerator } from "../models/generator/device.ts";
import { Sampler } from "../models/generator/sampler.ts";
import { addAdaptedOptions } from "./adapted_generator.ts";
import {
  choice,
  classOption,
  noiseOption,
  parseCount,
  parseNumber,
  parseWhole,
} from "./options.ts";
import { checkOutput } from "./output.ts";
import { Progress } from "./progress.ts";
import {
  createWriter,
  formOf,
  nameRange,
  type SampleSet,
  type SampleWriter,
  type Written,
} from "./sample_output.ts";
import {
  readRequest,
  type SampleFlags,
  type SampleRequest,
  sliceLatents,
} from "./sample_request.ts";

interface Flags extends SampleFlags {
  readonly precision: Precision;
  readonly batch?: number;
  readonly out: string;
  readonly overwrite?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const NOTES = `
Truncation moves w towards the mean w: 1 leaves it, 0 gives the mean. The w and
w_plus in FILE.safetensors are those after it, and after mixing: given back as
--w or --w-plus they draw the same images. Mixed images have no single w.

Mixing takes the second half of the layers, the finer ones, from the seeds of
--mix: one for each image or one for all. --mix-from moves the border.

Examples:
  nada sample --generator ffhq.pt --out faces/
  nada sample --generator ffhq.pt --seeds 1,5,9-12 --truncation 0.5 \\
    --out faces.png
  nada sample --generator ffhq.pt --adapted runs/sketch/adapted.safetensors \\
    --strength 0.8 --out sketches/
  nada sample --generator ffhq.pt --adapted a.safetensors --strength 0.6 \\
    --adapted b.safetensors --strength 0.4 --out both/
  nada sample --generator ffhq.pt --z z.safetensors --truncation 1 \\
    --out images.safetensors
`;

/** See CommandModule. */
export function register(command: Command): void {
  command
    .requiredOption(
      "--generator <file>",
      "StyleGAN2 or 3 (.pt, .pkl, .safetensors), or demo",
      generatorPath,
    )
    .addOption(classOption());
  addAdaptedOptions(command)
    .addOption(latents("--seeds <list>", "seeds and ranges of seeds").default("0-15"))
    .addOption(latents("--z <file>", "latents from a file: z [n, z]"))
    .addOption(latents("--w <file>", "latents after the mapping network: w [n, w]"))
    .addOption(latents("--w-plus <file>", "one for each layer: w_plus [n, layers, w]"))
    .option("--truncation <x>", "(default: 0.7; 1 with --w and --w-plus)", parseNumber)
    .option("--mix <seeds>", "take the styles of the finer layers from these")
    .option("--mix-from <layer>", "first layer of w+ that --mix is for", parseWhole)
    .addOption(noiseOption("stored noise, new noise for each image, or none", "const"))
    .option("--batch <n>", "images at a time (default: what fits, at most 8)", parseCount)
    .addOption(
      choice("--precision <how>", "feature maps in full or half precision", PRECISIONS)
        .default("f32"),
    )
    .requiredOption("-o, --out <path>", "folder for PNGs, FILE.png or FILE.safetensors")
    .option("--no-metadata", "say nothing in the files of what is in them")
    .option("--overwrite", "replace files that are there")
    .option("--json", "say what was written as JSON")
    .option("--quiet", "no progress and no report")
    .addHelpText("after", NOTES)
    .action((flags: Flags) => sample(flags));
}

const LATENTS = ["seeds", "z", "w", "wPlus"];

/** One of the options that say which latents to draw; only one may be given. */
function latents(flags: string, description: string): Option {
  const option = new Option(flags, description);
  return option.conflicts(LATENTS.filter((name) => name !== option.attributeName()));
}

/** Checks everything, then draws and writes; where that fails, nothing of it is left. */
async function sample(flags: Flags): Promise<void> {
  const { out, overwrite = false } = flags;
  const form = formOf(out);
  await checkOutput(out, { kind: form === "folder" ? "folder" : "file", overwrite });
  const request = await readRequest(flags);
  const writer = createWriter(form, out, request.set);
  let written: Written;
  try {
    await draw(flags, request, writer);
    written = await writer.finish();
  } catch (error) {
    await writer.discard();
    throw error;
  }
  report(written, request.set, flags);
}

async function draw(
  { noise, precision, batch: wanted, quiet }: Flags,
  { weights, latents, truncation, mix, set }: SampleRequest,
  writer: SampleWriter,
): Promise<void> {
  const a = weights.architecture;
  const total = set.pictures.length;
  const gpu = await Gpu.open();
  try {
    const most = Math.min(wanted ?? fittingBatch(a, gpu.limits.bindingBytes), total);
    // As many batches, but of equal size: what is missing in the last would be drawn for nothing.
    const batch = Math.ceil(total / Math.ceil(total / most));
    const generator = await uploadGenerator(gpu, weights);
    const sampler = await Sampler.create(gpu, generator, { batch, noise, precision });
    using progress = quiet ? null : new Progress({ total, unit: "images" });
    for (let start = 0; start < total; start += batch) {
      const count = Math.min(batch, total - start);
      const rows = (all: typeof latents) => sliceLatents(all, start, count, a);
      const { images, wPlus } = await sampler.sample(rows(latents), {
        psi: truncation,
        noiseSeed: start,
        ...(mix && { mix: { latents: rows(mix.latents), crossover: mix.crossover } }),
      });
      await writer.add({ start, images, wPlus });
      progress?.update(start + count);
    }
  } finally {
    gpu.close();
  }
}

function report(written: Written, { about, architecture, pictures }: SampleSet, flags: Flags) {
  const { out, json, quiet } = flags;
  const { images, grid, tensors } = written;
  if (json) {
    const { resolution } = architecture;
    console.log(JSON.stringify({ out, count: pictures.length, resolution, ...written, about }));
  } else if (!quiet) {
    if (images.length > 0) console.log(`Images   ${out} (${nameRange(images)})`);
    if (grid !== null) console.log(`Grid     ${grid}`);
    if (tensors !== null) console.log(`Tensors  ${tensors}`);
  }
}
