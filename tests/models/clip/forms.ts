/** Every form of file that a CLIP model comes in. */
import { safetensorsParts, type TensorData } from "../../../lib/checkpoint/mod.ts";
import { towerPlaces } from "../../../models/clip/names.ts";
import { OPEN_CLIP_CONFIG } from "../../../models/clip/open_clip.ts";
import { foreignSafetensors } from "../../lib/checkpoint/build_safetensors.ts";
import { legacyArchive, torchArchive, torchScript } from "../../lib/checkpoint/build_state_dict.ts";
import { type Bytes, concat, utf8 } from "../../lib/checkpoint/bytes.ts";
import { tinyResNetTensors, tinyTensors } from "./tiny.ts";

type Tensors = Map<string, TensorData>;

/** A config as LAION's models have it, for the tiny model. */
export function openClipConfig(changes: {
  model?: Record<string, unknown>;
  vision?: Record<string, unknown>;
  text?: Record<string, unknown>;
  preprocess?: Record<string, unknown>;
} = {}): string {
  return JSON.stringify({
    model_cfg: {
      embed_dim: 3,
      vision_cfg: { image_size: 6, layers: 2, width: 64, patch_size: 3, ...changes.vision },
      text_cfg: { context_length: 9, vocab_size: 350, width: 128, heads: 4, ...changes.text },
      ...changes.model,
    },
    preprocess_cfg: {
      mean: [0.48145466, 0.4578275, 0.40821073],
      std: [0.26862954, 0.26130258, 0.27577711],
      ...changes.preprocess,
    },
  });
}

/** The tiny model as a Hugging Face CLIPModel, its numbers the same. */
export function asHuggingFace(tensors: Map<string, TensorData>): Map<string, TensorData> {
  const converted = new Map<string, TensorData>([["logit_scale", tensors.get("logit_scale")!]]);
  for (const [tower, blocks] of [["image", 2], ["text", 1]] as const) {
    const from = towerPlaces("openai", tower, blocks);
    towerPlaces("huggingface", tower, blocks).forEach(({ make, parts }, i) => {
      const { shape, data } = tensors.get(from[i]!.parts[0]!.name)!;
      parts.forEach(({ name }, part) => {
        const rows = shape[0]! / parts.length;
        const size = data.length / parts.length;
        converted.set(
          name,
          make === "transposed"
            ? { shape: shape.toReversed(), data: transpose(data, shape[0]!, shape[1]!) }
            : {
              shape: [rows, ...shape.slice(1)],
              data: data.slice(part * size, (part + 1) * size) as Float32Array,
            },
        );
      });
    });
  }
  return converted;
}

function transpose(data: TensorData["data"], rows: number, columns: number): Float32Array {
  return Float32Array.from(data, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!);
}

/** A `config.json` of transformers, for the tiny model. */
export function huggingFaceConfig(heads: { image: number; text: number }, act: string): string {
  const tower = (count: number) => ({ num_attention_heads: count, hidden_act: act });
  return JSON.stringify({
    model_type: "clip",
    vision_config: tower(heads.image),
    text_config: tower(heads.text),
  });
}

export interface ClipForm {
  readonly name: string;
  /** What is in its folder. */
  readonly files: Readonly<Record<string, () => Bytes>>;
  /** What of it is given to nada: a file, or "" for the folder. */
  readonly given: string;
  /** Whether its weights have checksums. */
  readonly isChecked: boolean;
}

/** A file alone. */
function file(name: string, given: string, bytes: () => Bytes, isChecked: boolean): ClipForm {
  return { name, files: { [given]: bytes }, given, isChecked };
}

/** A folder with a config. */
function folder(
  name: string,
  [weights, bytes]: [string, () => Bytes],
  [config, text]: [string, string],
  isChecked: boolean,
): ClipForm {
  return { name, files: { [weights]: bytes, [config]: () => utf8(text) }, given: "", isChecked };
}

const OPEN_CLIP: [string, string] = [
  OPEN_CLIP_CONFIG,
  openClipConfig({ model: { quick_gelu: true }, text: { heads: 2 } }),
];
const HUGGING_FACE: [string, string] = [
  "config.json",
  huggingFaceConfig({ image: 1, text: 2 }, "quick_gelu"),
];

/** Those of the tiny model with a ViT: all of them give the same model. */
export const VIT_FORMS = [
  file("OpenAI's archive of TorchScript", "ViT.pt", () => torchScript(tinyTensors()), true),
  file("OpenAI's state dict", "ViT.pt", () => torchArchive(tinyTensors()), true),
  file("OpenAI's state dict of before 1.6", "ViT.pt", () => legacyArchive(tinyTensors()), false),
  file(
    "OpenAI's names in safetensors",
    "v.safetensors",
    () => foreignSafetensors(tinyTensors()),
    false,
  ),
  file(
    "OpenAI's names in nada's safetensors",
    "v.safetensors",
    () => concat(...safetensorsParts(tinyTensors())),
    true,
  ),
  folder(
    "open_clip's folder with a .bin",
    ["open_clip_pytorch_model.bin", () => torchArchive(tinyTensors())],
    OPEN_CLIP,
    true,
  ),
  folder(
    "open_clip's folder with safetensors",
    ["open_clip_model.safetensors", () => foreignSafetensors(tinyTensors())],
    OPEN_CLIP,
    false,
  ),
  file(
    "open_clip's .pt of LAION",
    "vit_b_32-quickgelu-laion400m_e31-d867053b.pt",
    () => torchArchive(tinyTensors(), "state_dict.module."),
    true,
  ),
  folder(
    "Hugging Face's folder with a .bin",
    ["pytorch_model.bin", () => torchArchive(asHuggingFace(tinyTensors()))],
    HUGGING_FACE,
    true,
  ),
  folder(
    "Hugging Face's folder with safetensors",
    ["model.safetensors", () => foreignSafetensors(asHuggingFace(tinyTensors()))],
    HUGGING_FACE,
    false,
  ),
] as const;

/** Those of the tiny model with a ResNet. */
export const RESNET_FORMS = [
  file("a ResNet's archive of TorchScript", "RN.pt", () => torchScript(tinyResNetTensors()), true),
  file("a ResNet's state dict", "RN.pt", () => torchArchive(tinyResNetTensors()), true),
] as const;
