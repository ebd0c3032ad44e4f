import type { Command } from "commander";
import { relative, resolve } from "node:path";
import { UserError } from "../lib/errors.ts";
import { pickSnapshot, snapshotSteps } from "../models/nada/snapshots.ts";
import { parseCount } from "./options.ts";

const EXAMPLES = `
Examples:
  nada adapt --generator ffhq.pt --clip ViT-B-32.pt --source photo --target sketch \\
    --snapshots 25 --out runs/sketch
  nada pick --run runs/sketch --step 150
`;

interface Flags {
  readonly run?: string;
  readonly step?: number;
}

/** See CommandModule. */
export function register(command: Command): void {
  command
    .option("--run <dir>", "folder of a run that kept snapshots")
    .option("--step <n>", "the step to go back to; left out, the steps are listed", parseCount)
    .addHelpText("after", EXAMPLES)
    .action(pick);
}

async function pick({ run, step }: Flags): Promise<void> {
  if (run === undefined) throw new UserError("Cannot pick a snapshot without --run: name a run");
  const folder = resolve(run);
  if (step === undefined) return console.log((await snapshotSteps(folder)).join(" "));
  const delta = await pickSnapshot(folder, step);
  console.log(`Adapted generator  ${relative(Deno.cwd(), delta) || delta}`);
}
