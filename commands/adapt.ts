import type { Command } from "commander";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { UserError } from "../lib/errors.ts";
import { writeFileAtomic } from "../lib/files.ts";
import { Gpu } from "../lib/gpu/device.ts";
import { Profiler } from "../lib/gpu/profiler.ts";
import { adapt, type AdaptOptions, readInputs, readRun, resume } from "../models/nada/adapt.ts";
import { promptLabel } from "../models/nada/options.ts";
import { addAliases, applyAliases } from "./adapt_aliases.ts";
import { applyDemo } from "./adapt_demo.ts";
import { jsonEvents, progressEvents, report, silentEvents } from "./adapt_events.ts";
import { addRunOptions, type RunFlags } from "./adapt_flags.ts";
import { printPlan } from "./adapt_plan.ts";
import { applyPreset, flagName, resolveOptions } from "./adapt_options.ts";
import { checkOutput } from "./output.ts";

interface Flags extends RunFlags {
  out?: string;
  resume?: string;
  plan?: boolean;
  profile?: string;
  json?: boolean;
  quiet?: boolean;
}

const EXAMPLES = `
Without arguments, the demo that nada carries is adapted; see nada demo.

Examples:
  nada adapt
  nada adapt --target "stone statue"
  nada adapt --generator ffhq.pt --clip ViT-B-32.pt --source photo --target sketch
  nada adapt --generator ffhq.pt --clip ViT-B-32.pt --clip ViT-B-16.pt --clip-weight 1 \\
    --clip-weight 0.5 --source photo --target "ukiyo-e print" --auto-layer-k 12
  nada adapt --generator ffhq.pt --clip clip-vit-base-patch32/ \\
    --source person --target "white walker" --steps 200 --out runs/walker
  nada adapt --resume runs/walker --steps 300
`;

/** Options that may be given with --resume; the run's config.json fixes the others. */
const WITH_RESUME = ["resume", "steps", "profile", "json", "quiet"];

/** See CommandModule. */
export function register(command: Command): void {
  command
    .option("-o, --out <dir>", "folder of the run, new (default: below ./runs, by the texts)")
    .option("--resume <dir>", "go on with an interrupted run; only --steps may be given with it")
    .option("--plan", "print what the run would cost in work and memory, and do nothing")
    .option("--profile <file>", "write GPU times: a trace to FILE, a table to FILE.txt")
    .option("--json", "one JSON object a line on stdout")
    .option("--quiet", "no progress");
  addAliases(addRunOptions(command))
    .addHelpText("after", EXAMPLES)
    .action(() => run(command));
}

async function run(command: Command): Promise<void> {
  const warning = applyAliases(command);
  applyPreset(command);
  applyDemo(command);
  const flags = command.opts<Flags>();
  if (warning !== null) console.error(warning);
  const given = (name: string) => command.getOptionValueSource(name) === "cli";
  if (flags.plan && flags.resume === undefined) {
    return await printPlan(resolveOptions(flags, given), flags);
  }
  const job = flags.resume === undefined
    ? await newRun(flags, given)
    : await oldRun(flags.resume, command, given("steps") ? flags.steps : null);

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
    const result = await job(gpu, events, stop.signal);
    events[Symbol.dispose]();
    if (flags.profile !== undefined) await writeProfile(flags.profile, gpu.profiler!);
    report(result, flags);
  } catch (error) {
    if (!stop.signal.aborted || error !== stop.signal.reason) throw error;
    throw new UserError("Stopped before the first step: nothing has changed; start again");
  } finally {
    if (!stop.signal.aborted) Deno.removeSignalListener("SIGINT", onInterrupt);
    gpu.close();
  }
}

type Job = (
  gpu: Gpu,
  events: Parameters<typeof adapt>[3],
  signal: AbortSignal,
) => ReturnType<typeof adapt>;

/** Reads and checks all that a run needs, before there is a device. */
async function newRun(flags: Flags, given: (name: string) => boolean): Promise<Job> {
  const options = resolveOptions(flags, given);
  const out = flags.out ?? freeFolder(options);
  await checkOutput(out, { kind: "folder", overwrite: true });
  const inputs = await readInputs(options);
  return (gpu, events, signal) => adapt(gpu, resolve(out), inputs, events, signal);
}

async function oldRun(path: string, command: Command, steps: number | null): Promise<Job> {
  const extra = command.options.map((option) => option.attributeName()).find((name) =>
    command.getOptionValueSource(name) === "cli" && !WITH_RESUME.includes(name)
  );
  if (extra !== undefined) {
    throw new UserError(
      `Cannot use ${
        flagName(extra)
      } with --resume: the run's config.json fixes it; leave it out, ` +
        `or start a new run`,
    );
  }
  const stopped = await readRun(resolve(path), steps);
  if (stopped.state.step >= stopped.inputs.options.steps) {
    throw new UserError(
      `Cannot resume "${path}": its ${stopped.state.step} steps are done; pass --steps with a ` +
        `larger number to go on`,
    );
  }
  return (gpu, events, signal) => resume(gpu, stopped, events, signal);
}

/** A folder below ./runs named by the texts, with a number where it is taken. */
function freeFolder(options: AdaptOptions): string {
  const { source, target } = promptLabel(options);
  const slug = `${source} to ${target}`.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, "-")
    .replaceAll(/^-|-$/g, "").slice(0, 60);
  for (let n = 1;; n++) {
    const folder = `runs/${slug}${n === 1 ? "" : `-${n}`}`;
    if (!existsSync(folder)) return folder;
  }
}

async function writeProfile(path: string, profiler: Profiler): Promise<void> {
  await writeFileAtomic(path, JSON.stringify(profiler.trace()));
  await writeFileAtomic(`${path}.txt`, profiler.table());
}
