import type { Command } from "commander";
import { PRESETS } from "../models/nada/presets.ts";

/** See CommandModule. */
export function register(command: Command): void {
  command
    .option("--json", "the same as JSON")
    .action(({ json }: { json?: boolean }) => {
      if (json) return console.log(JSON.stringify(PRESETS));
      for (const { name, about, options } of PRESETS) {
        const flags = Object.entries(options).map(([option, value]) => `--${option} ${value}`);
        console.log(`${name.padEnd(10)} ${about}`);
        console.log(`${"".padEnd(10)} ${flags.join(" ")}`);
      }
    });
}
