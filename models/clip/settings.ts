/** What shapes cannot say of a CLIP model: from the config beside it, its name, or its maker's habit. */
import { basename, dirname, join } from "node:path";
import { type Checkpoint, readChecked } from "../../lib/checkpoint/mod.ts";
import { CheckpointError } from "../../lib/errors.ts";
import { configuredSettings, openaiSettings, type Settings } from "./architecture.ts";
import type { Layout, Tower } from "./names.ts";
import {
  OPEN_CLIP_CONFIG,
  OPEN_CLIP_FILE,
  openClipSettings,
  releasedActivation,
} from "./open_clip.ts";

/** The settings of a tower of the given width. */
export type SettingsOf = (tower: Tower, width: number) => Settings;

/** Throws a CheckpointError where a config is missing or makes no sense. */
export async function findSettings(
  layout: Layout,
  { file, tensors }: Pick<Checkpoint, "file" | "tensors">,
): Promise<SettingsOf> {
  if (layout === "huggingface") {
    const config = await readConfig(file, "config.json");
    return (tower, width) => configuredSettings(config, tower, width, file);
  }
  const openai: SettingsOf = (tower, width) => openaiSettings(tower, width, file);
  // A number that OpenAI's archives alone keep among their tensors.
  if (tensors.has("input_resolution")) return openai;
  const fileName = basename(file);
  const isBeside = await Deno.stat(besides(file, OPEN_CLIP_CONFIG)).then(() => true, () => false);
  if (isBeside || OPEN_CLIP_FILE.test(fileName)) {
    const config = await readConfig(file, OPEN_CLIP_CONFIG);
    return (tower, width) => openClipSettings(config, tower, width, file);
  }
  const activation = releasedActivation(fileName);
  return activation === null ? openai : (tower, width) => ({ ...openai(tower, width), activation });
}

async function readConfig(file: string, name: string): Promise<unknown> {
  const path = besides(file, name);
  try {
    return JSON.parse(await readChecked(path));
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    const state = error instanceof SyntaxError ? "is not JSON" : "cannot be read";
    throw new CheckpointError(
      `Cannot load CLIP from "${file}": "${path}", which says how many heads it has, ${state}; ` +
        `copy the file that came with the model`,
      { cause: error },
    );
  }
}

const besides = (file: string, name: string) => join(dirname(file), name);
