import assert from "node:assert/strict";
import {
  sha256File,
  sidecarPath,
  sidecarText,
  writeSafetensors,
} from "../../../lib/checkpoint/mod.ts";
import { OPEN_CLIP_CONFIG as CONFIG } from "../../../models/clip/open_clip.ts";
import { type ClipFile, openClipFile } from "../../../models/clip/weights.ts";
import { torchArchive } from "../../lib/checkpoint/build_state_dict.ts";
import { temporaryFolder } from "../../temporary.ts";
import { asHuggingFace, huggingFaceConfig, openClipConfig as config, VIT_FORMS } from "./forms.ts";
import { tinyTensors, writeTiny } from "./tiny.ts";

const BIN = "open_clip_pytorch_model.bin";

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
    const config = huggingFaceConfig({ image: 1, text: 4 }, "gelu");
    await Deno.writeTextFile(folder.file("config.json"), config);
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

Deno.test("openClipFile() refuses a config that is not the one whose sha256 lies beside it", async () => {
  for (const { files } of VIT_FORMS) {
    const config = Object.keys(files).find((name) => name.endsWith(".json"));
    if (config === undefined) continue;
    using folder = temporaryFolder();
    for (const [name, bytes] of Object.entries(files)) {
      await Deno.writeFile(folder.file(name), bytes());
    }
    const path = folder.file(config);
    await Deno.writeTextFile(sidecarPath(path), sidecarText(path, await sha256File(path)));
    {
      using _ = await openClipFile(folder.path);
    }
    const text = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, text.replace("quick_gelu", "QUICK_gelu"));
    await assert.rejects(openClipFile(folder.path), {
      name: "CheckpointError",
      message: /^Cannot read ".*config.json": the file's sha256 is .*config.json.sha256" has/,
    });
  }
});
