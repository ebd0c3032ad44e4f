import type { Command } from "commander";
import { removeModels } from "./models.ts";

/** See CommandModule: `nada models rm`, by its short name. */
export function register(command: Command): void {
  removeModels(command);
}
