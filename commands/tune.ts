import type { Command } from "commander";
import { Gpu } from "../lib/gpu/device.ts";
import { type Measured, tune } from "../lib/graph/tune.ts";
import { tuningFolder } from "../lib/graph/tuning.ts";
import { runPrograms } from "../models/nada/cost.ts";
import { checkOptions } from "../models/nada/options.ts";
import { applyDemo } from "./adapt_demo.ts";
import { addRunOptions, type RunFlags } from "./adapt_flags.ts";
import { applyPreset, resolveOptions } from "./adapt_options.ts";

interface Flags extends RunFlags {
  json?: boolean;
}

const NOTES = `
Takes the options of nada adapt, and measures for what such a run computes which of
nada's kernels is the fastest on this machine: only what has not been measured yet.
What is found is kept in ~/.cache/nada/kernels, for this adapter and its driver; all
commands use it. On a GPU, nada adapt does the same before it starts, for 20 seconds
at most; on other adapters only this command does.

Measure on a machine that does nothing else.

Examples:
  nada tune
  nada tune --generator ffhq.pt --clip ViT-B-32.pt --batch 2
`;

/** See CommandModule. */
export function register(command: Command): void {
  command.option("--json", "one JSON object a line on stdout");
  addRunOptions(command)
    .addHelpText("after", NOTES)
    .action(() => run(command));
}

async function run(command: Command): Promise<void> {
  applyPreset(command);
  applyDemo(command);
  const flags = command.opts<Flags>();
  const given = (name: string) => command.getOptionValueSource(name) === "cli";
  const options = resolveOptions(flags, given);
  checkOptions(options);

  const gpu = await Gpu.open();
  try {
    const programs = await runPrograms(options, gpu);
    let count = 0;
    for (const program of programs) {
      const saved = await tune(gpu, program, {
        onMeasured(measured) {
          count++;
          console.log(flags.json ? JSON.stringify(measured) : line(measured));
        },
      });
      if (!saved) console.error(`Cannot write to "${tuningFolder()}": nothing is kept`);
    }
    if (flags.json) return;
    console.log(
      count === 0
        ? "Nothing to measure: all of it was before"
        : `${count} calls measured on ${gpu.adapterName}`,
    );
  } finally {
    gpu.close();
  }
}

/** The call, and below it the kernel that it is given, marked, among all by their times. */
function line({ call, chosen, times }: Measured): string {
  const each = times.map(({ kernel, us }) =>
    `${kernel === chosen ? "*" : ""}${kernel} ${us.toFixed(us < 10 ? 1 : 0)} µs`
  );
  return `${call}\n  ${each.join(", ")}`;
}
