/** What a CLIP model is made of, as far as building its graphs needs to know. */
import { CheckpointError } from "../../lib/errors.ts";
import type { Tower } from "./names.ts";

/** The function between the two layers of a block's perceptron. */
export type Activation = "quick_gelu" | "gelu";

/** What shapes cannot say about a tower. */
export interface Settings {
  readonly heads: number;
  readonly activation: Activation;
  /** Added to variances in layer norms. */
  readonly epsilon: number;
}

export interface TransformerArchitecture extends Settings {
  readonly width: number;
  /** Width between the two layers of a block's perceptron. */
  readonly hidden: number;
  readonly blocks: number;
}

export interface VitArchitecture extends TransformerArchitecture {
  readonly kind: "vit";
  /** Sides of the square input, and of a patch of it, in pixels. */
  readonly imageSize: number;
  readonly patchSize: number;
}

export interface ResNetArchitecture {
  readonly kind: "resnet";
  /** Side of the square input in pixels. */
  readonly imageSize: number;
  /** Channels that the stem gives; the last layer gives 32 times as many. */
  readonly width: number;
  /** How many blocks each of the four layers has. */
  readonly layers: readonly number[];
  /** Of the attention that pools what the last layer gives. */
  readonly heads: number;
}

export type ImageArchitecture = VitArchitecture | ResNetArchitecture;

export interface TextArchitecture extends TransformerArchitecture {
  /** The longest text in tokens, start and end included. */
  readonly contextLength: number;
  /** Rows of the token table; the last two are start and end of text. */
  readonly vocabSize: number;
  /** CLIP's token ids of the other rows where the table is cut to some words; null for the first. */
  readonly vocabulary: readonly number[] | null;
}

export interface Architecture {
  /** Length of the features that both towers give. */
  readonly features: number;
  readonly image: ImageArchitecture;
  readonly text: TextArchitecture;
}

/** In OpenAI's models each head is this wide. */
export const HEAD_WIDTH = 64;

export const EPSILON = 1e-5;

/** The settings of a tower in all of OpenAI's models. */
export function openaiSettings(tower: Tower, width: number, file: string): Settings {
  if (width % HEAD_WIDTH !== 0) {
    throw new CheckpointError(
      `Cannot load CLIP from "${file}": its ${tower} tower is ${width} wide; a multiple of ` +
        `${HEAD_WIDTH} was expected, the width of a head in OpenAI's models`,
    );
  }
  return { heads: width / HEAD_WIDTH, activation: "quick_gelu", epsilon: EPSILON };
}

/** The heads that a Hugging Face model has where its config.json, as it may, leaves them out. */
const DEFAULT_HEADS: Record<Tower, number> = { image: 12, text: 8 };

/** The settings of a tower by the config.json of a Hugging Face model, parsed. */
export function configuredSettings(
  config: unknown,
  tower: Tower,
  width: number,
  file: string,
): Settings {
  const model = record(config);
  if (model.model_type !== "clip") {
    throw new CheckpointError(
      `Cannot load CLIP from "${file}": the config.json beside it has the model_type ` +
        `${JSON.stringify(model.model_type)}; "clip" was expected`,
    );
  }
  const key = tower === "image" ? "vision_config" : "text_config";
  const given = record(model[key]);
  const heads = given.num_attention_heads ?? DEFAULT_HEADS[tower];
  const activation = given.hidden_act ?? "quick_gelu";
  const epsilon = given.layer_norm_eps ?? EPSILON;

  const refuse = (name: string, wanted: string): never => {
    throw new CheckpointError(
      `Cannot load CLIP from "${file}": the config.json beside it has ` +
        `${JSON.stringify(given[name])} for "${name}" in "${key}"; ${wanted} was expected`,
    );
  };
  if (typeof heads !== "number" || !Number.isInteger(width / heads) || !Number.isInteger(heads)) {
    return refuse("num_attention_heads", `a divisor of the width, ${width},`);
  }
  if (activation !== "quick_gelu" && activation !== "gelu") {
    return refuse("hidden_act", `"quick_gelu" or "gelu"`);
  }
  if (typeof epsilon !== "number" || !(epsilon > 0 && epsilon < 1)) {
    return refuse("layer_norm_eps", "a number between 0 and 1");
  }
  return { heads, activation, epsilon };
}

/** The fields of parsed JSON, none where it is no object. */
export function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
}
