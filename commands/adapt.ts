import { type Command, InvalidArgumentError } from "commander";
import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { UserError } from "../lib/errors.ts";
import { writeFileAtomic } from "../lib/files.ts";
import { Gpu } from "../lib/gpu/device.ts";
import { Profiler } from "../lib/gpu/profiler.ts";
import {
  adapt,
  type AdaptEvents,
  type AdaptOptions,
  type AdaptResult,
  resume,
} from "../models/nada/adapt.ts";
import { clipResizeOption, noiseOption, parseCount, parseWhole } from "./options.ts";
import { checkOutput } from "./output.ts";
import { Progress } from "./progress.ts";

type Flags =
  & Pick<AdaptOptions, "source" | "target" | "batch" | "lr" | "seed" | "sampleEvery">
  & Pick<AdaptOptions, "noise" | "clipResize" | "steps">
  & {
    generator?: string;
    trainGenerator?: string;
    clip?: string;
    z?: string;
    templates?: string;
    out?: string;
    resume?: string;
    profile?: string;
    json?: boolean;
    quiet?: boolean;
  };

const EXAMPLES = `
Examples:
  nada adapt --generator ffhq.pt --clip ViT-B-32.pt --source photo --target sketch
  nada adapt --generator ffhq.pt --clip clip-vit-base-patch32/ \\
    --source person --target "white walker" --steps 200 --out runs/walker
  nada adapt --resume runs/walker --steps 300
`;

/** Options that a resumed run takes from its config.json. */
const FIXED_BY_RUN = [
  "generator",
  "trainGenerator",
  "clip",
  "source",
  "target",
  "batch",
  "lr",
  "seed",
  "sampleEvery",
  "noise",
  "z",
  "templates",
  "clipResize",
  "out",
];

/** See CommandModule. */
export function register(command: Command): void {
  command
    .option("--generator <file>", "StyleGAN2 generator to adapt (.pt or .safetensors)")
    .option("--clip <path>", "CLIP model: OpenAI's .pt or a Hugging Face folder")
    .option("--source <text>", "what the generator draws now")
    .option("--target <text>", "what it is to draw")
    .option("--train-generator <file>", "start of the trained copy, if not the generator itself")
    .option("--steps <n>", "training steps", parseCount, 300)
    .option("--batch <n>", "latents a step", parseCount, 2)
    .option("--lr <x>", "learning rate, before the method's factor 4/5", parsePositive, 0.002)
    .option("--seed <n>", "seed of latents and noise", parseSeed, 2)
    .option("-o, --out <dir>", "folder of the run, new (default: below ./runs, by the texts)")
    .option("--sample-every <n>", "steps between sample grids, 0 for none", parseWhole, 50)
    .addOption(noiseOption("noise in both generators", "random"))
    .option("--z <file>", "safetensors with the latents, z [steps, batch, z_dim]")
    .option("--templates <file>", "text templates, one a line with {} for the text")
    .addOption(clipResizeOption())
    .option("--resume <dir>", "go on with an interrupted run; only --steps may be given with it")
    .option("--profile <file>", "write GPU times: a trace to FILE, a table to FILE.txt")
    .option("--json", "one JSON object a line on stdout")
    .option("--quiet", "no progress")
    .addHelpText("after", EXAMPLES)
    .action((flags: Flags) => run(command, flags));
}

async function run(command: Command, flags: Flags): Promise<void> {
  const given = (name: string) => command.getOptionValueSource(name) === "cli";
  if (flags.resume !== undefined) {
    const extra = FIXED_BY_RUN.filter(given);
    if (extra.length > 0) {
      throw new UserError(
        `Cannot use ${
          flagName(extra[0]!)
        } with --resume: the run's config.json fixes it; leave it ` +
          `out, or start a new run`,
      );
    }
  }
  const options = flags.resume === undefined ? resolveOptions(flags) : null;
  const out = flags.out ?? (options ? freeFolder(options) : "");
  if (options) await checkOutput(out, { kind: "folder", overwrite: true });

  const gpu = await Gpu.open();
  if (flags.profile !== undefined) gpu.profiler = new Profiler();
  const stop = new AbortController();
  const onInterrupt = () => {
    // Not listened for any more, a second Ctrl-C ends the process at once.
    Deno.removeSignalListener("SIGINT", onInterrupt);
    console.error("\nFinishing the step; press Ctrl-C again to stop at once and lose it.");
    stop.abort();
  };
  Deno.addSignalListener("SIGINT", onInterrupt);
  try {
    using events = flags.json ? jsonEvents() : flags.quiet ? silentEvents() : progressEvents(gpu);
    const result = options
      ? await adapt(gpu, resolve(out), options, events, stop.signal)
      : await resume(
        gpu,
        resolve(flags.resume!),
        given("steps") ? flags.steps : null,
        events,
        stop.signal,
      );
    events[Symbol.dispose]();
    if (flags.profile !== undefined) await writeProfile(flags.profile, gpu.profiler!);
    report(result, flags);
  } finally {
    if (!stop.signal.aborted) Deno.removeSignalListener("SIGINT", onInterrupt);
    gpu.close();
  }
}

/** Checks what was given and makes file names absolute; throws a UserError. */
function resolveOptions(flags: Flags): AdaptOptions {
  const needed = (name: "generator" | "clip" | "source" | "target", what: string): string => {
    const value = flags[name]?.trim();
    if (value) return value;
    throw new UserError(`Cannot adapt without --${name}: ${what}; see nada adapt --help`);
  };
  const file = (path: string, flag: string): string => {
    if (existsSync(path)) return resolve(path);
    throw new UserError(`Cannot open "${path}", given as ${flag}: there is no such file`);
  };
  const optional = (path: string | undefined, flag: string) => path ? file(path, flag) : null;
  return {
    generator: file(needed("generator", "name a StyleGAN2 checkpoint"), "--generator"),
    trainGenerator: optional(flags.trainGenerator, "--train-generator"),
    clip: file(needed("clip", "name a CLIP model"), "--clip"),
    source: needed("source", "say what the generator draws now"),
    target: needed("target", "say what it is to draw"),
    steps: flags.steps,
    batch: flags.batch,
    lr: flags.lr,
    seed: flags.seed,
    sampleEvery: flags.sampleEvery,
    noise: flags.noise,
    z: optional(flags.z, "--z"),
    templates: optional(flags.templates, "--templates"),
    clipResize: flags.clipResize,
  };
}

/** A folder below ./runs named by the texts, with a number where it is taken. */
function freeFolder({ source, target }: AdaptOptions): string {
  const slug = `${source} to ${target}`.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, "-")
    .replaceAll(/^-|-$/g, "").slice(0, 60);
  for (let n = 1;; n++) {
    const folder = `runs/${slug}${n === 1 ? "" : `-${n}`}`;
    if (!existsSync(folder)) return folder;
  }
}

type DisposableEvents = AdaptEvents & Disposable;

const silentEvents = (): DisposableEvents => ({ [Symbol.dispose]() {} });

/** One JSON object for everything that happens. */
function jsonEvents(): DisposableEvents {
  const print = (event: string) => (data: object) =>
    console.log(JSON.stringify({ event, ...data }));
  return {
    onStart: print("start"),
    onStep: print("step"),
    onSamples: (file) => print("samples")({ file }),
    [Symbol.dispose]() {},
  };
}

/** Progress on stderr. */
function progressEvents(gpu: Gpu): DisposableEvents {
  let progress: Progress | undefined;
  return {
    onStart({ folder, steps, done, layers }) {
      console.error(`Adapter   ${gpu.adapterName}`);
      console.error(`Folder    ${relative(Deno.cwd(), folder) || folder}`);
      console.error(`Training  ${layers.length} layers, ${steps - done} steps`);
      progress = new Progress({ total: steps, done });
    },
    onStep: ({ step, loss }) => progress?.update(step + 1, `loss ${loss?.toFixed(4) ?? "NaN"}`),
    [Symbol.dispose]: () => progress?.finish(),
  };
}

async function writeProfile(path: string, profiler: Profiler): Promise<void> {
  await writeFileAtomic(path, JSON.stringify(profiler.trace()));
  await writeFileAtomic(`${path}.txt`, profiler.table());
}

/** Says what came out; a run that diverged is a failure. */
function report({ folder, status, stepsDone, lastGrid }: AdaptResult, { json, quiet }: Flags) {
  if (status === "diverged") Deno.exitCode = 1;
  if (json) {
    return console.log(JSON.stringify({ event: "end", folder, status, stepsDone, lastGrid }));
  }
  const here = (path: string) => relative(Deno.cwd(), path) || path;
  if (status === "diverged") {
    console.error(
      `The loss is no longer a number, the run has stopped. The state after ${stepsDone} steps is ` +
        `kept in ${here(folder)}; start again with a lower --lr.`,
    );
  }
  if (status === "interrupted") {
    console.error(
      `Stopped after ${stepsDone} steps. Go on with: nada adapt --resume ${here(folder)}`,
    );
  }
  if (quiet) return;
  console.log(`Adapted generator  ${here(join(folder, "adapted.safetensors"))}`);
  console.log(`Before and after   ${here(lastGrid)}`);
}

/** "sampleEvery" → "--sample-every". */
function flagName(name: string): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function parseSeed(text: string): number {
  if (/^\d+$/.test(text) && Number(text) < 2 ** 32) return Number(text);
  throw new InvalidArgumentError("Expected a whole number from 0 to 4294967295.");
}

function parsePositive(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError("Expected a number above 0.");
}
