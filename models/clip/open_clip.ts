/** Models of open_clip, LAION's among them: OpenAI's layout, but settings of their own. */
import { CLIP_MEAN, CLIP_STD } from "../../lib/image/resize_pil.ts";
import { CheckpointError } from "../../lib/errors.ts";
import { type Activation, EPSILON, HEAD_WIDTH, record, type Settings } from "./architecture.ts";
import type { Tower } from "./names.ts";

/** The file that open_clip's models have beside their weights on Hugging Face. */
export const OPEN_CLIP_CONFIG = "open_clip_config.json";

/** What its files are called there, by which they are known where the config is missing. */
export const OPEN_CLIP_FILE = /^open_clip_(pytorch_model|model)\b/;

/** Data sets whose name is in the names of open_clip's own files. */
const RELEASED = /laion|datacomp|commonpool/i;

/** Parts of a tower that nada has no graph for, by their name in the config. */
const FOREIGN = [
  "timm_model_name",
  "hf_model_name",
  "ls_init_value",
  "attentional_pool",
  "attn_pooler_heads",
  "input_patchnorm",
  "global_average_pool",
  "no_ln_pre",
  "no_causal_mask",
  "embed_cls",
  "norm_kwargs",
  "act_kwargs",
];

/** The settings of a tower by a parsed open_clip_config.json. */
export function openClipSettings(
  config: unknown,
  tower: Tower,
  width: number,
  file: string,
): Settings {
  const refuse = (reason: string): never => {
    throw new CheckpointError(
      `Cannot load CLIP from "${file}": the ${OPEN_CLIP_CONFIG} beside it ${reason}`,
    );
  };
  const { model_cfg, preprocess_cfg } = record(config);
  const model = record(model_cfg);
  const key = tower === "image" ? "vision_cfg" : "text_cfg";
  const given = record(model[key]);
  if (given.width === undefined) return refuse(`says no "width" in "${key}"; it is no model's`);
  if (given.width !== width && !Array.isArray(given.layers)) {
    refuse(`is of another model: ${key} has width ${given.width}, the weights have ${width}`);
  }
  const foreign = FOREIGN.find((name) => given[name]);
  if (foreign !== undefined || model.custom_text) {
    const part = foreign ? `"${foreign}" in "${key}"` : `"custom_text"`;
    refuse(`asks for ${part}, which nada does not have; it reads CLIP's own ViT and text tower`);
  }
  const { mean, std } = record(preprocess_cfg);
  if (!isNear(mean, CLIP_MEAN) || !isNear(std, CLIP_STD)) {
    refuse(`asks for pixels of mean [${mean}] and deviation [${std}]; nada has CLIP's own`);
  }
  const headWidth = given.head_width ?? HEAD_WIDTH;
  const heads = given.heads ?? width / Number(headWidth);
  if (typeof heads !== "number" || !Number.isInteger(heads) || !Number.isInteger(width / heads)) {
    return refuse(`gives ${heads} heads for a width of ${width}; a divisor of it was expected`);
  }
  return { heads, activation: model.quick_gelu ? "quick_gelu" : "gelu", epsilon: EPSILON };
}

/** The activation of a file that open_clip published, by its name; null for any other file. */
export function releasedActivation(fileName: string): Activation | null {
  if (!RELEASED.test(fileName)) return null;
  return /quick-?gelu/i.test(fileName) ? "quick_gelu" : "gelu";
}

/** Whether a list is the other, or left out. */
function isNear(list: unknown, wanted: readonly number[]): boolean {
  if (list === undefined || list === null) return true;
  return Array.isArray(list) && wanted.every((value, i) => Math.abs(value - list[i]) < 1e-3);
}
