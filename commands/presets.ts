import type { Command } from "commander";
import { relative } from "node:path";
import { decodePng } from "../lib/image/mod.ts";
import { DIRECTION_LOSS, findPresetPicture } from "../models/demo/presets/pictures.ts";
import { type Preset, PRESETS } from "../models/nada/presets.ts";
import { reportWidth, wrap } from "./layout.ts";
import { flagName } from "./adapt_options.ts";
import { pictureLines, showsPictures } from "./terminal_picture.ts";

interface Flags {
  readonly json?: boolean;
  readonly pictures?: boolean;
}

/** Columns in front of what belongs to a preset, and of its thumbnail at most. */
const NAME = 11;
const THUMBNAIL = 64;

/** See CommandModule. */
export function register(command: Command): void {
  command
    .option("--json", "the same as JSON")
    .option("--pictures", "show the thumbnails, even where this is no terminal")
    .action(async ({ json, pictures = showsPictures() }: Flags) => {
      if (json) return console.log(JSON.stringify(PRESETS.map(withPicture)));
      for (const preset of PRESETS) console.log((await presetLines(preset, pictures)).join("\n"));
    });
}

function withPicture(preset: Preset) {
  return { ...preset, thumbnail: findPresetPicture(preset.name) };
}

async function presetLines({ name, about, options }: Preset, pictures: boolean): Promise<string[]> {
  const width = reportWidth() - NAME;
  const flags = Object.entries(options).map(([option, value]) => `${flagName(option)} ${value}`);
  const lines = [...wrap(about, width), ...wrap(flags.join(" "), width)];
  const thumbnail = findPresetPicture(name);
  if (thumbnail !== null) {
    const image = decodePng(await Deno.readFile(thumbnail), thumbnail);
    lines.push(relative(Deno.cwd(), thumbnail), ...wrap(captionOf(image.text), width));
    if (pictures) lines.push(...pictureLines(image, Math.min(THUMBNAIL, width)));
  }
  return lines.map((line, i) => (i === 0 ? name : "").padEnd(NAME) + line);
}

/** What a thumbnail shows, by its own text. */
function captionOf(text: Readonly<Record<string, string>>): string {
  return `the demo, ${text.Prompt}: ${text.Step} steps, --direction-loss ${text[DIRECTION_LOSS]}`;
}
