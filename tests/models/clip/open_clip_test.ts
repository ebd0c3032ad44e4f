import assert from "node:assert/strict";
import { type TensorData, writeSafetensors } from "../../../lib/checkpoint/mod.ts";
import { towerPlaces } from "../../../models/clip/names.ts";
import { type ClipFile, openClipFile } from "../../../models/clip/weights.ts";
import { torchArchive } from "../../lib/checkpoint/build_state_dict.ts";
import { temporaryFolder } from "../../temporary.ts";
import { tinyTensors, writeTiny } from "./tiny.ts";

const BIN = "open_clip_pytorch_model.bin";
const CONFIG = "open_clip_config.json";

/** A config as LAION's models have it, for the tiny model. */
function config(changes: {
  model?: Record<string, unknown>;
  vision?: Record<string, unknown>;
  text?: Record<string, unknown>;
  preprocess?: Record<string, unknown>;
}): string {
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

async function activations(file: string): Promise<string[]> {
  using clip = await openClipFile(file);
  const { image, text } = clip.architecture;
  assert.ok(image.kind === "vit");
  return [image.activation, text.activation];
}

Deno.test("openClipFile() reads a folder of open_clip's with its config, .bin or .safetensors", async () => {
  for (const name of [BIN, "open_clip_model.safetensors"]) {
    using folder = temporaryFolder();
    if (name === BIN) await Deno.writeFile(folder.file(BIN), torchArchive(tinyTensors()));
    else await writeTiny(folder.file(name));
    await Deno.writeTextFile(folder.file(CONFIG), config({ vision: { head_width: 16 } }));
    for (const path of [folder.path, folder.file(name)]) {
      using clip = await openClipFile(path);
      const { image, text } = clip.architecture;
      assert.ok(image.kind === "vit");
      assert.deepEqual([image.activation, image.heads, image.imageSize], ["gelu", 4, 6]);
      assert.deepEqual([text.activation, text.heads, text.contextLength], ["gelu", 4, 9]);
    }
  }
});

Deno.test("openClipFile() reads quick_gelu from open_clip's config", async () => {
  using folder = temporaryFolder();
  const file = await writeTiny(folder.file("vit.safetensors"));
  await Deno.writeTextFile(folder.file(CONFIG), config({ model: { quick_gelu: true } }));
  assert.deepEqual(await activations(file), ["quick_gelu", "quick_gelu"]);
});

Deno.test("openClipFile() knows the activation of open_clip's own files by their names", async () => {
  using folder = temporaryFolder();
  const cases = [
    ["vit_b_32-laion2b_e16-af8dbd0c.pth", "gelu"],
    ["vit_b_32-quickgelu-laion400m_e31-d867053b.pt", "quick_gelu"],
    ["CLIP-ViT-B-16-DataComp.XL.safetensors", "gelu"],
    ["ViT-B-32.pt", "quick_gelu"],
  ] as const;
  for (const [name, activation] of cases) {
    const file = await writeTiny(folder.file(name));
    assert.deepEqual(await activations(file), [activation, activation], name);
  }
});

Deno.test("openClipFile() leaves a config beside OpenAI's archives alone", async () => {
  using folder = temporaryFolder();
  const tensors = tinyTensors().set("input_resolution", { shape: [], data: Float32Array.of(6) });
  const file = await writeTiny(folder.file("ViT.safetensors"), tensors);
  await Deno.writeTextFile(folder.file(CONFIG), config({}));
  assert.deepEqual(await activations(file), ["quick_gelu", "quick_gelu"]);
});

Deno.test("openClipFile() finds the model in what open_clip's training script saves", async () => {
  using folder = temporaryFolder();
  const file = folder.file("epoch_32.pt");
  for (const prefix of ["module.", "state_dict.", "state_dict.module."]) {
    const tensors = tinyTensors();
    await Deno.writeFile(file, torchArchive(tensors, prefix));
    using clip = await openClipFile(file);
    const qkv = clip.weights.text.get("blocks.0.qkv.bias")!;
    const name = "transformer.resblocks.0.attn.in_proj_bias";
    assert.deepEqual(await qkv.read(), tensors.get(name)!.data);
  }
});

/** The tiny model as a Hugging Face CLIPModel, its numbers the same. */
function asHuggingFace(tensors: Map<string, TensorData>): Map<string, TensorData> {
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

async function contents(clip: ClipFile) {
  const weights: Record<string, number[]> = {};
  for (const tower of ["image", "text"] as const) {
    for (const [name, weight] of clip.weights[tower]) {
      weights[`${tower}.${name}`] = [...await weight.read()];
    }
  }
  return { architecture: clip.architecture, weights };
}

Deno.test("openClipFile() gives the same model from open_clip's file and from Hugging Face's, .bin or .safetensors", async () => {
  using open = temporaryFolder();
  await Deno.writeFile(open.file(BIN), torchArchive(tinyTensors()));
  await Deno.writeTextFile(open.file(CONFIG), config({}));
  using expected = await openClipFile(open.path);

  const huggingface = asHuggingFace(tinyTensors());
  for (const name of ["pytorch_model.bin", "model.safetensors"]) {
    using folder = temporaryFolder();
    if (name.endsWith(".bin")) await Deno.writeFile(folder.file(name), torchArchive(huggingface));
    else await writeSafetensors(folder.file(name), huggingface);
    const tower = (heads: number) => ({ num_attention_heads: heads, hidden_act: "gelu" });
    await Deno.writeTextFile(
      folder.file("config.json"),
      JSON.stringify({ model_type: "clip", vision_config: tower(1), text_config: tower(4) }),
    );
    using clip = await openClipFile(folder.path);
    assert.deepEqual(await contents(clip), await contents(expected));
  }
});

const REFUSED: [what: string, changes: Parameters<typeof config>[0], reason: RegExp][] = [
  ["of another width", { vision: { width: 768 } }, /vision_cfg has width 768, the weights have 64/],
  ["without a tower", { text: { width: undefined } }, /says no "width" in "text_cfg"/],
  ["of a timm tower", { vision: { timm_model_name: "x" } }, /asks for "timm_model_name" in "vis/],
  ["of a layer scale", { vision: { ls_init_value: 0.1 } }, /asks for "ls_init_value"/],
  ["of another text tower", { model: { custom_text: true } }, /asks for "custom_text"/],
  ["of other pixels", { preprocess: { mean: [0.5, 0.5, 0.5] } }, /pixels of mean \[0.5,0.5,0.5\]/],
  ["of 7 heads", { text: { heads: 7 } }, /gives 7 heads for a width of 128/],
];
for (const [what, changes, reason] of REFUSED) {
  Deno.test(`openClipFile() refuses open_clip's config ${what}`, async () => {
    using folder = temporaryFolder();
    const file = await writeTiny(folder.file("vit.safetensors"));
    await Deno.writeTextFile(folder.file(CONFIG), config(changes));
    await assert.rejects(openClipFile(file), { name: "CheckpointError", message: reason });
  });
}

Deno.test("openClipFile() asks for the config that an open_clip file came with", async () => {
  using folder = temporaryFolder();
  await Deno.writeFile(folder.file(BIN), torchArchive(tinyTensors()));
  await assert.rejects(openClipFile(folder.path), {
    name: "CheckpointError",
    message: /open_clip_config.json", which says how many heads it has, cannot be read; copy/,
  });
});
