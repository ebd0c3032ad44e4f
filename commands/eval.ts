import { type Command, Option } from "commander";
import { basename, dirname, join } from "node:path";
import { sha256File } from "../lib/checkpoint/mod.ts";
import { UserError } from "../lib/errors.ts";
import { Gpu } from "../lib/gpu/device.ts";
import { Clip, openClipFile, parseTemplates, type ResizeVariant } from "../models/clip/mod.ts";
import { fillTemplates } from "../models/clip/templates.ts";
import { tokenize } from "../models/clip/tokenizer.ts";
import { applyDelta, promptOf, readDelta } from "../models/nada/delta.ts";
import {
  evaluate,
  type Evaluation,
  MAX_SAMPLES,
  MIN_SAMPLES,
  observerNames,
  textObserver,
} from "../models/nada/eval/mod.ts";
import { checkSide, Lpips, type LpipsWeights, readLpips } from "../models/lpips/mod.ts";
import { loadGenerator } from "../models/nada/generator_file.ts";
import { uploadGenerator } from "../models/generator/device.ts";
import type { GeneratorWeights } from "../models/generator/families.ts";
import { parseSeeds } from "../models/generator/latents.ts";
import { type EvalAbout, printed, writeReport } from "./eval_report.ts";
import { reportWidth } from "./layout.ts";
import { classOption, clipResizeOption, collectClips, parseCount, parseNumber } from "./options.ts";
import { checkOutput } from "./output.ts";
import { Progress } from "./progress.ts";
import { generatorPath } from "../models/catalog.ts";

interface Flags {
  readonly generator: string;
  readonly class?: number;
  readonly adapted: string;
  readonly clip: readonly string[];
  readonly samples: number;
  readonly seeds?: string;
  readonly truncation: number;
  readonly source?: string;
  readonly target?: string;
  readonly templates?: string;
  readonly clipResize: ResizeVariant;
  readonly lpips?: readonly string[];
  readonly out?: string;
  readonly overwrite?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const NOTES = `
Every seed is drawn before and after the adaptation, and each CLIP model says:

direction agreement    cosine of the way its features went and the way from the
                       source text to the target text; worst of all samples
similarity to target   mean cosine with the target text
diversity              mean distance, 1 - cosine, of two samples of one cluster;
                       10 clusters around medoids, each side has its own
content kept           cosine of the features before and after

With --lpips, the state dict of lpips.LPIPS(net="alex") or "vgg", or its heads
and torchvision's backbone as two files, diversity is also given as the paper
has it, and how far LPIPS sees each image drift. It looks at images of 256x256
at most.

Sharpness is the variance of the Laplacian of the grey image, values 0 to 255.
All figures depend on seeds, truncation and size of the images: compare runs
only where these are the same. A CLIP model that was not trained against is the
better judge.

Examples:
  nada eval --generator ffhq.pt --adapted runs/sketch/adapted.safetensors \\
    --clip ViT-B-16.pt
  nada eval --generator ffhq.pt --adapted runs/sketch/adapted.safetensors \\
    --clip ViT-B-32.pt ViT-B-16.pt --seeds 0-999 --out sketch-eval/
`;

/** See CommandModule. */
export function register(command: Command): void {
  command
    .requiredOption("--generator <file>", "the generator before the adaptation", generatorPath)
    .requiredOption("--adapted <file>", "adapted.safetensors of a run with it")
    .addOption(classOption())
    .requiredOption("--clip <path...>", "CLIP models that judge, one or several", collectClips)
    .option("--samples <n>", "so many seeds, from 0 on", parseCount, 256)
    .addOption(new Option("--seeds <list>", "seeds and ranges of seeds").conflicts("samples"))
    .option("--truncation <x>", "truncation of both", parseNumber, 0.7)
    .option("--source <text>", "what it drew (default: as it was adapted)")
    .option("--target <text>", "what it is to draw (default: as it was adapted)")
    .option("--templates <file>", "text templates, one a line with {} for the text")
    .addOption(clipResizeOption())
    .option("--lpips <file...>", "weights of LPIPS with AlexNet or VGG, for its figures as well")
    .option("-o, --out <dir>", 'folder for the report (default: "eval" beside --adapted)')
    .option("--overwrite", "replace files that are there")
    .option("--json", "print the report as JSON")
    .option("--quiet", "no progress and no report")
    .addHelpText("after", NOTES)
    .action((flags: Flags) => run(flags));
}

/** Checks everything, then draws, judges, writes and prints. */
async function run(flags: Flags): Promise<void> {
  const { out = join(dirname(flags.adapted), "eval"), overwrite = false, json, quiet } = flags;
  const seeds = readSeeds(flags);
  await checkOutput(out, { kind: "folder", overwrite });
  const request = await readRequest(flags, seeds);
  const evaluation = await judge(flags, seeds, request);
  const files = await writeReport(out, evaluation, request.about);
  if (json) console.log(JSON.stringify({ ...files.report, files: files.written }));
  else if (!quiet) console.log(printed(evaluation, request.about, files.written, reportWidth()));
}

function readSeeds({ seeds: given, samples }: Flags): number[] {
  const seeds = given === undefined
    ? Array.from({ length: Math.min(samples, MAX_SAMPLES + 1) }, (_, seed) => seed)
    : parseSeeds(given);
  if (seeds.length >= MIN_SAMPLES && seeds.length <= MAX_SAMPLES) return seeds;
  const found = given === undefined ? samples : seeds.length;
  throw new UserError(
    `Cannot judge an adaptation by ${found} samples: the figures need ${MIN_SAMPLES} to ` +
      `${MAX_SAMPLES}; pass another number with --samples or --seeds`,
  );
}

interface EvalRequest {
  readonly frozen: GeneratorWeights;
  readonly adapted: GeneratorWeights;
  /** Null for each model's own. */
  readonly templates: readonly string[] | null;
  readonly lpips: LpipsWeights | null;
  readonly about: EvalAbout;
}

/** Reads the files that the options name, and sees that every model can read the texts. */
async function readRequest(flags: Flags, seeds: readonly number[]): Promise<EvalRequest> {
  const { generator, adapted, clip, truncation, clipResize } = flags;
  const templates = await readTemplates(flags.templates);
  const delta = await readDelta(adapted);
  const { weights, ...base } = await loadGenerator(
    generator,
    flags.class ?? delta.base.classIndex ?? null,
  );
  const changed = applyDelta(weights, base, delta);
  const prompt = promptOf(delta);
  const source = (flags.source ?? prompt?.source)?.trim();
  const target = (flags.target ?? prompt?.target)?.trim();
  if (!source || !target) {
    throw new UserError(
      `Cannot judge "${adapted}" without two texts: it does not tell those of its run; pass ` +
        `--source and --target`,
    );
  }
  if (source.toLowerCase() === target.toLowerCase()) {
    throw new UserError(
      `Cannot judge the way from "${source}" to "${target}": source and target are the same text; ` +
        `pass others with --source and --target`,
    );
  }
  const clipSha256: string[] = [];
  for (const path of clip) {
    using file = await openClipFile(path);
    for (const text of [source, target]) {
      for (const filled of fillTemplates(text, templates ?? file.templates)) {
        tokenize(filled, file.architecture.text);
      }
    }
    clipSha256.push(await sha256File(file.file));
  }
  const lpips = flags.lpips ? await readLpips(flags.lpips) : null;
  if (lpips) checkSide(lpips, weights.architecture.resolution);
  return {
    frozen: weights,
    adapted: changed,
    templates,
    lpips,
    about: {
      source,
      target,
      seeds,
      truncation,
      clipResize,
      templates: flags.templates ? basename(flags.templates) : "built in",
      generator: basename(generator),
      generatorSha256: base.sha256,
      ...typeof base.classIndex === "number" && { class: base.classIndex },
      adapted: basename(adapted),
      adaptedSha256: await sha256File(adapted),
      clipSha256,
      lpipsSha256: await Promise.all((flags.lpips ?? []).map(sha256File)),
    },
  };
}

async function readTemplates(path: string | undefined): Promise<readonly string[] | null> {
  if (path === undefined) return null;
  try {
    return parseTemplates(await Deno.readTextFile(path), path);
  } catch (error) {
    if (error instanceof UserError || error instanceof Deno.errors.NotCapable) throw error;
    throw new UserError(
      `Cannot read "${path}", given as --templates: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

async function judge(
  { clip: paths, quiet }: Flags,
  seeds: readonly number[],
  { frozen, adapted, templates, lpips: lpipsWeights, about }: EvalRequest,
): Promise<Evaluation> {
  const gpu = await Gpu.open();
  const clips: Clip[] = [];
  let lpips: Lpips | null = null;
  try {
    const names = observerNames(paths);
    const observers = [];
    for (const [i, path] of paths.entries()) {
      const clip = await Clip.open(gpu, path);
      clips.push(clip);
      observers.push(
        await textObserver(names[i]!, clip, {
          ...about,
          templates: templates ?? clip.templates,
        }),
      );
    }
    const generators = {
      frozen: await uploadGenerator(gpu, frozen),
      adapted: await uploadGenerator(gpu, adapted),
    };
    if (lpipsWeights) lpips = await Lpips.create(gpu, lpipsWeights);
    using progress = quiet ? null : new Progress({ total: seeds.length, unit: "samples" });
    return await evaluate(gpu, generators, observers, {
      seeds,
      truncation: about.truncation,
      resize: about.clipResize,
      lpips,
      onProgress: (done) => progress?.update(done),
      onCompared: (share) => progress?.update(seeds.length, `LPIPS ${Math.floor(100 * share)} %`),
    });
  } finally {
    lpips?.dispose();
    clips.forEach((clip) => clip.dispose());
    gpu.close();
  }
}
