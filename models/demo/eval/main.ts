/**
 * Measures the demo's adaptations against the truth, which in its world is known:
 *
 *     deno task demo:eval [--clip FILE] [--styles A,B] [--steps N] [--auto-layer-k N]
 *       [--precision f32|f16] [--samples N] [--out FOLDER]
 *
 * Prints a table and writes `results.json`, a sheet of pictures for each target, and `overview.webp`
 * with all of them to the folder.
 * Run in full, it also renews `models/demo/results.json`, which `nada demo` shows.
 */
import { Command, InvalidArgumentError, Option } from "commander";
import { join } from "node:path";
import { sha256File } from "../../../lib/checkpoint/mod.ts";
import { UserError } from "../../../lib/errors.ts";
import { writeFileAtomic } from "../../../lib/files.ts";
import { Gpu } from "../../../lib/gpu/device.ts";
import { type Precision, PRECISIONS } from "../../../lib/graph/precision.ts";
import { VERSION } from "../../../lib/version.ts";
import { clipPath, generatorPath } from "../../catalog.ts";
import { Clip } from "../../clip/mod.ts";
import { assertFree } from "../../nada/run_folder.ts";
import { DEMO_DEFAULTS } from "../settings.ts";
import {
  type Picture,
  STYLE_NAMES,
  STYLE_WORDS,
  type StyleName,
  UNSEEN_STYLE_NAMES,
} from "../world/mod.ts";
import { assess } from "./assessment.ts";
import { type ClipFigures, clipFigures } from "./clip_figures.ts";
import { StyleClassifier } from "./classifier.ts";
import { CANDIDATES, fileName } from "./candidates.ts";
import { evaluateStyle } from "./evaluate.ts";
import { latents, SEEDS } from "./latents.ts";
import { assessmentLines, clipLines, overview, sheet, styleLines, TABLE_HEAD } from "./report.ts";
import { type Results, RESULTS_URL, type StyleResult } from "./results.ts";

const TARGETS = STYLE_NAMES.filter((style) => style !== "photo");
const SAMPLES = 256;

interface Flags {
  readonly clip: string;
  readonly styles: readonly StyleName[];
  readonly steps: number;
  readonly autoLayerK: number;
  readonly precision: Precision;
  readonly samples: number;
  readonly out: string;
}

const command = new Command("demo:eval")
  .description("measures the demo's adaptations against the truth")
  .option("--clip <file>", "the CLIP that leads", clipPath, clipPath("demo"))
  .option("--styles <names>", `of ${TARGETS.join(", ")}`, parseStyles, TARGETS)
  .option("--steps <n>", "training steps", parseNumber, DEMO_DEFAULTS.steps)
  .option("--auto-layer-k <n>", "layers to choose for each step of the adaptation", parseNumber, 0)
  .addOption(
    new Option("--precision <how>", "of the adaptations").choices(PRECISIONS).default("f32"),
  )
  .option("--samples <n>", "latents, from 64 on", parseNumber, SAMPLES)
  .option("-o, --out <dir>", "folder for pictures, runs and results, new", "runs/demo-eval");
await evaluate(command.parse(Deno.args, { from: "user" }).opts<Flags>());

async function evaluate(flags: Flags): Promise<void> {
  const { clip, styles, steps, autoLayerK, precision, samples, out } = flags;
  if (samples < 64) {
    throw new UserError(`Cannot measure with ${samples} samples: content is one among 64`);
  }
  await assertFree(out);
  await Deno.mkdir(out, { recursive: true });
  const classifier = StyleClassifier.train();
  const gpu = await Gpu.open();
  try {
    const about: Omit<Results, "styles"> = {
      nada: VERSION,
      created: new Date().toISOString(),
      generator: await sha256File(generatorPath("demo")),
      clip: await sha256File(clip),
      steps,
      batch: DEMO_DEFAULTS.batch,
      lr: DEMO_DEFAULTS.lr,
      samples,
      seed: SEEDS.evaluation,
      classifier: assess(classifier),
      clipFigures: await figuresOfClip(gpu, clip),
    };
    const head = [...assessmentLines(about.classifier), "", ...clipLines(about.clipFigures)];
    console.log([...head, "", TABLE_HEAD].join("\n"));

    const z = latents(SEEDS.evaluation, samples);
    const done: StyleResult[] = [];
    const shown = new Map<string, readonly Picture[]>();
    const save = async (path: string | URL) => {
      const text = JSON.stringify({ ...about, styles: done }, null, 2);
      await writeFileAtomic(path instanceof URL ? decodeURI(path.pathname) : path, `${text}\n`);
    };
    for (const { style, target, candidates } of targetsOf(styles)) {
      const options = {
        style,
        target,
        steps,
        autoLayerCount: autoLayerK,
        precision,
        clip,
        folder: join(out, "runs"),
        onStep: progress(target, steps),
      };
      const { figures, drawn, truth } = await evaluateStyle(
        gpu,
        classifier,
        z,
        options,
        candidates,
      );
      const source = STYLE_WORDS.photo[0]!;
      const result: StyleResult = { style, source, target, figures };
      done.push(result);
      shown.set("photo", drawn.get("before")!).set(target, drawn.get("adapted")!);
      console.log(styleLines(result).join("\n"));
      await writeFileAtomic(
        join(out, `${fileName(target)}.png`),
        await sheet(result, drawn, truth, classifier),
      );
      await save(join(out, "results.json"));
    }
    await writeFileAtomic(join(out, "overview.webp"), await overview(shown));
    const full = TARGETS.every((style) => styles.includes(style)) && samples === SAMPLES;
    const asShown = steps === DEMO_DEFAULTS.steps && autoLayerK === 0 && precision === "f32";
    if (full && asShown) await save(RESULTS_URL);
  } finally {
    gpu.close();
  }
}

async function figuresOfClip(gpu: Gpu, path: string): Promise<ClipFigures> {
  const clip = await Clip.open(gpu, path);
  try {
    return await clipFigures(gpu, clip);
  } finally {
    clip.dispose();
  }
}

/** The styles by their short names; then by unseen ones, for which the truth is no other. */
function targetsOf(styles: readonly StyleName[]) {
  const short = styles.map((style) => ({
    style,
    target: STYLE_WORDS[style][0]!,
    candidates: CANDIDATES,
  }));
  const unseen = styles.flatMap((style) => {
    const target = UNSEEN_STYLE_NAMES[style];
    return target === undefined
      ? []
      : [{ style, target, candidates: ["before", "adapted"] as const }];
  });
  return [...short, ...unseen];
}

/** A line now and then on stderr. */
function progress(target: string, steps: number) {
  return (done: number, loss: number | null) => {
    if (done % 50 === 0) {
      console.error(`${target}: step ${done} of ${steps}, loss ${loss?.toFixed(4)}`);
    }
  };
}

function parseStyles(text: string): StyleName[] {
  return text.split(",").map((name) => {
    const style = TARGETS.find((target) => target === name.trim());
    if (style) return style;
    throw new InvalidArgumentError(`Expected names of ${TARGETS.join(", ")}.`);
  });
}

function parseNumber(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Expected a whole number from 1 on.");
}
