/** Trains the demo's models: `deno task demo:train`. No command of nada's, but a task of the project. */
import { Argument, Command } from "commander";
import { UserError } from "../lib/errors.ts";
import { Gpu } from "../lib/gpu/device.ts";
import { PART_NAMES, type PartName, type StepEvent, train } from "../models/demo/train/mod.ts";
import { parseCount, parseWhole } from "./options.ts";
import { Progress } from "./progress.ts";

interface Flags {
  steps?: number;
  batch?: number;
  seed?: number;
  out: string;
  resume?: boolean;
}

/** Settings that a state brings along. */
const FIXED_BY_STATE = ["steps", "batch", "seed"] as const;

/** The task's command line. */
export function createCommand(): Command {
  return new Command("deno task demo:train")
    .description("Trains the demo's generator and CLIP from nothing, with nada's own engine.")
    .addArgument(new Argument("[part]", "what to train, both if left out").choices(PART_NAMES))
    .option(
      "--steps <n>",
      "steps of the main training (31000 for the generator, 2800 for CLIP)",
      parseCount,
    )
    .option(
      "--batch <n>",
      "latents a step (16), or groups of four pictures for CLIP (10)",
      parseCount,
    )
    .option("--seed <n>", "seed of weights and batches (1)", parseWhole)
    .option("-o, --out <dir>", "folder for states and models", "runs/demo-train")
    .option("--resume", "go on with the states in the folder")
    .action(trainParts);
}

async function trainParts(part: PartName | undefined, flags: Flags): Promise<void> {
  const { out: folder, resume = false } = flags;
  const given = FIXED_BY_STATE.filter((name) => flags[name] !== undefined);
  if (resume && given.length > 0) {
    throw new UserError(
      `Cannot use --${
        given[0]
      } with --resume: the state fixes it; leave it out, or start again in ` +
        `another folder`,
    );
  }
  const settings = Object.fromEntries(given.map((name) => [name, flags[name]!]));
  const stop = new AbortController();
  const onInterrupt = () => {
    // Not listened for any more, a second Ctrl-C ends the process at once.
    Deno.removeSignalListener("SIGINT", onInterrupt);
    console.error("\nFinishing the step; press Ctrl-C again to stop at once.");
    stop.abort();
  };
  Deno.addSignalListener("SIGINT", onInterrupt);
  const gpu = await Gpu.open();
  console.error(`Adapter  ${gpu.adapterName}`);
  try {
    for (const name of part ? [part] : PART_NAMES) {
      const request = { part: name, folder, settings, resume };
      using shown = showProgress(name);
      const file = await train(gpu, request, { ...shown.events, signal: stop.signal });
      shown[Symbol.dispose]();
      if (file !== null) console.log(file);
      else return console.error(`Stopped. Go on with: deno task demo:train ${name} --resume`);
    }
  } finally {
    gpu.close();
  }
}

/** Progress on stderr, with the pictures that networks were fed with each second. */
function showProgress(name: PartName) {
  let progress: Progress | undefined;
  let stage = "";
  let since = 0;
  let pictures = 0;
  return {
    events: {
      onStart(steps: number, done: number) {
        console.error(`Training the ${name}, ${steps - done} steps`);
        progress = new Progress({ total: steps, done });
      },
      onStep({ stage: now, step, loss, pictures: fed }: StepEvent) {
        // The first step of a stage compiles; it is left out of the rate.
        if (now !== stage) [stage, since, pictures] = [now, performance.now(), 0];
        else pictures += fed;
        const rate = 1000 * pictures / (performance.now() - since);
        const speed = rate > 0 ? `  ${rate.toPrecision(3)} pictures/s` : "";
        progress?.update(step, `${stage}  loss ${loss.toFixed(4)}${speed}`);
      },
    },
    [Symbol.dispose]: () => progress?.finish(),
  };
}

if (import.meta.main) {
  try {
    await createCommand().parseAsync(Deno.args, { from: "user" });
    Deno.exit();
  } catch (error) {
    if (!(error instanceof UserError) || Deno.env.get("DEBUG")) throw error;
    console.error(`error: ${error.message}`);
    Deno.exit(2);
  }
}
