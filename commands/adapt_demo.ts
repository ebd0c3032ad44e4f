/** What `nada adapt` takes from the built-in demo where nothing else was said. */
import type { Command } from "commander";
import { clipPath, generatorPath } from "../models/catalog.ts";
import { DEMO_DEFAULTS, DEMO_TARGET } from "../models/demo/settings.ts";
import { STYLE_WORDS } from "../models/demo/world/mod.ts";

/**
 * Without a generator and a CLIP model, the demo's are taken. The demo's generator brings its CLIP,
 * its own settings, and without a word of what to draw its best target. What was given wins, and so
 * does what a preset sets.
 */
export function applyDemo(command: Command): void {
  const isGiven = (name: string) => command.getOptionValueSource(name) === "cli";
  const set = (name: string, value: unknown) =>
    command.setOptionValueWithSource(name, value, "config");
  if (isGiven("resume")) return;
  if (!isGiven("generator") && !isGiven("clip")) set("generator", generatorPath("demo"));
  if (command.getOptionValue("generator") !== generatorPath("demo")) return;

  if (!isGiven("clip")) set("clip", [clipPath("demo")]);
  for (
    const name of [
      "steps",
      "batch",
      "lr",
      "lrSchedule",
      "noise",
      "directionLoss",
      "trainParams",
    ] as const
  ) {
    if (command.getOptionValueSource(name) === "default") set(name, DEMO_DEFAULTS[name]);
  }
  if (isGiven("styleImages")) return;
  if (!isGiven("source")) set("source", STYLE_WORDS.photo[0]!);
  if (!isGiven("target")) set("target", [{ text: STYLE_WORDS[DEMO_TARGET][0]!, weight: 1 }]);
}
